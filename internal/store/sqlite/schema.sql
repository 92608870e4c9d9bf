-- What the migrations add up to. Written by schema.test.ts; never by hand.

CREATE TRIGGER attestation_added AFTER INSERT ON attestation WHEN new.plugin IS NOT NULL BEGIN
  INSERT INTO plugin_attestation_use (plugin, tenant, attestations, bytes)
  VALUES (new.plugin, new.tenant, 1,
          octet_length(new.subjects) + octet_length(new.predicates) + octet_length(new.contexts) +
          octet_length(new.actors) + octet_length(new.source) + octet_length(new.attributes))
  ON CONFLICT (plugin, tenant) DO UPDATE
     SET attestations = attestations + 1,
         bytes        = bytes + excluded.bytes;
END;

CREATE TRIGGER attestation_removed AFTER DELETE ON attestation WHEN old.plugin IS NOT NULL BEGIN
  UPDATE plugin_attestation_use
     SET attestations = attestations - 1,
         bytes        = bytes - octet_length(old.subjects) - octet_length(old.predicates) - octet_length(old.contexts) -
                        octet_length(old.actors) - octet_length(old.source) - octet_length(old.attributes)
   WHERE plugin = old.plugin
     AND tenant = old.tenant;
END;

CREATE TABLE attestation (
  seq        INTEGER NOT NULL PRIMARY KEY,
  id         TEXT    NOT NULL,
  tenant     TEXT    NOT NULL,
  plugin     TEXT, -- Whose quota it counts for; NULL: nobody's.
  subjects   TEXT    NOT NULL,
  predicates TEXT    NOT NULL,
  contexts   TEXT    NOT NULL,
  actors     TEXT    NOT NULL,
  timestamp  INTEGER NOT NULL,
  source     TEXT    NOT NULL,
  attributes TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (id, tenant)
) STRICT;

CREATE INDEX attestation_tenant ON attestation (tenant);

CREATE TABLE attestation_value (
  field TEXT    NOT NULL,
  value TEXT    NOT NULL,
  seq   INTEGER NOT NULL REFERENCES attestation (seq),
  PRIMARY KEY (field, value, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  seq       INTEGER NOT NULL PRIMARY KEY,
  id        TEXT    NOT NULL,
  at        INTEGER NOT NULL,
  principal TEXT    NOT NULL,
  operation TEXT    NOT NULL,
  subject   TEXT    NOT NULL,
  allowed   INTEGER NOT NULL,
  detail    TEXT    NOT NULL,
  count     INTEGER NOT NULL DEFAULT 1 -- Of a flood of refusals, this row stands for so many.
) STRICT;

CREATE INDEX audit_refused ON audit (principal, operation, at) WHERE allowed = 0;

CREATE TABLE backfill (
  id          TEXT    NOT NULL PRIMARY KEY,
  schedule_id TEXT    NOT NULL REFERENCES schedule (id),
  from_at     INTEGER NOT NULL,
  to_at       INTEGER NOT NULL,
  concurrency INTEGER NOT NULL,
  asked_by    TEXT    NOT NULL,
  created_at  INTEGER NOT NULL,
  CONSTRAINT backfill_runs CHECK (concurrency >= 1 AND to_at > from_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX backfill_schedule ON backfill (schedule_id, created_at);

CREATE TABLE blackout (
  name        TEXT    NOT NULL PRIMARY KEY,
  timezone    TEXT    NOT NULL,
  description TEXT    NOT NULL,
  ranges      TEXT    NOT NULL,
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE boot (
  id          TEXT    NOT NULL PRIMARY KEY,
  node_id     TEXT    NOT NULL,
  version     TEXT    NOT NULL,
  started_at  INTEGER NOT NULL,
  lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE budget (
  scope      TEXT    NOT NULL,
  limit_name TEXT    NOT NULL,
  amount     REAL    NOT NULL,
  declared   INTEGER NOT NULL, -- 1 when the configuration says it.
  set_by     TEXT    NOT NULL,
  since      INTEGER NOT NULL, -- What was spent before does not count.
  PRIMARY KEY (scope, limit_name),
  CONSTRAINT budget_allows_some CHECK (amount > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE budget_running (
  job_id      TEXT NOT NULL,
  scope       TEXT NOT NULL,
  reserved    REAL NOT NULL,
  cost_before REAL NOT NULL,
  PRIMARY KEY (job_id, scope)
) STRICT, WITHOUT ROWID;

CREATE INDEX budget_running_scope ON budget_running (scope, reserved);

CREATE TABLE budget_spent (
  scope      TEXT    NOT NULL,
  limit_name TEXT    NOT NULL,
  step       INTEGER NOT NULL,
  amount     REAL    NOT NULL,
  PRIMARY KEY (scope, limit_name, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE capability_grant (
  plugin     TEXT    NOT NULL,
  capability TEXT    NOT NULL,
  granted    INTEGER NOT NULL,
  "by"       TEXT    NOT NULL,
  at         INTEGER NOT NULL,
  PRIMARY KEY (plugin, capability)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  seq     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  id      TEXT    NOT NULL UNIQUE,
  at      INTEGER NOT NULL,
  kind    TEXT    NOT NULL,
  subject TEXT    NOT NULL,
  message TEXT    NOT NULL,
  data    TEXT    NOT NULL
) STRICT;

CREATE INDEX event_kind ON event (kind, seq);

CREATE INDEX event_subject ON event (subject, seq);

CREATE TABLE gone_cursor (
  schedule_id     TEXT    NOT NULL,
  node            TEXT    NOT NULL,
  accounted_until INTEGER NOT NULL,
  PRIMARY KEY (schedule_id, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE gone_run (
  job_id      TEXT    NOT NULL PRIMARY KEY,
  schedule_id TEXT    NOT NULL,
  occurrence  INTEGER NOT NULL,
  node        TEXT    NOT NULL,
  run_count   INTEGER,
  catchup     INTEGER NOT NULL,
  ended       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE handler_limit (
  handler TEXT    NOT NULL PRIMARY KEY,
  per_key INTEGER, -- Jobs of one concurrency key at once.
  rate_count INTEGER, -- So many jobs start in so long.
  rate_ms INTEGER,
  burst   INTEGER,
  full_at REAL    NOT NULL DEFAULT 0, -- When as many as the burst may start at once again.
  CONSTRAINT handler_limit_counts CHECK (per_key >= 1 AND rate_count >= 1 AND rate_ms >= 1 AND burst >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE handler_pause (
  handler TEXT    NOT NULL PRIMARY KEY, -- As jobs name it: every job for it, or `<plugin>/<handler>`.
  "by"    TEXT    NOT NULL,
  note    TEXT    NOT NULL,
  at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER job_gone AFTER DELETE ON job
  WHEN old.trigger = 'schedule'
   AND (old.finished_at IS NULL OR NOT EXISTS (SELECT 1 FROM meta WHERE key = 'pruning'))
BEGIN
  INSERT OR REPLACE INTO gone_run
  SELECT old.id, old.schedule_id, old.occurrence, old.node, old.run_count, old.catchup, old.finished_at IS NOT NULL
   WHERE EXISTS (
           SELECT 1
             FROM occurrence
            WHERE schedule_id = old.schedule_id
              AND occurrence  = old.occurrence
              AND node        = old.node
              AND job_id      = old.id);
END;

CREATE TRIGGER job_place_gone AFTER DELETE ON job
  WHEN old.concurrency_key IS NOT NULL AND old.crowded = 0 AND old.finished_at IS NULL
BEGIN
  UPDATE job
     SET crowded = 0
   WHERE seq = (
           SELECT seq
             FROM job INDEXED BY job_key
            WHERE handler         = old.handler
              AND tenant          = old.tenant
              AND concurrency_key = old.concurrency_key
              AND concurrency_key IS NOT NULL
              AND (state = 'queued' OR state = 'running')
              AND crowded = 1
            ORDER BY priority, seq
            LIMIT 1);
END;

CREATE TABLE job (
  seq              INTEGER NOT NULL PRIMARY KEY,
  id               TEXT    NOT NULL UNIQUE,
  tenant           TEXT    NOT NULL,
  handler          TEXT    NOT NULL,
  plugin           TEXT    NOT NULL,
  lane             TEXT    NOT NULL,
  trigger          TEXT    NOT NULL,
  source           TEXT    NOT NULL,
  owner            TEXT    NOT NULL,
  priority         INTEGER NOT NULL,
  state            TEXT    NOT NULL,
  run_at           INTEGER NOT NULL,
  attempt          INTEGER NOT NULL DEFAULT 0,
  max_attempts     INTEGER, -- NULL until the first claim, when the handler is known that says it.
  fence            INTEGER NOT NULL DEFAULT 0,
  lost             INTEGER NOT NULL DEFAULT 0,
  suspect          INTEGER NOT NULL DEFAULT 0,
  interrupted      INTEGER NOT NULL DEFAULT 0,
  snoozed          INTEGER NOT NULL DEFAULT 0,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  boot_id          TEXT,
  unique_key       TEXT,
  unique_until     INTEGER, -- The key is held until then, also when its job has ended.
  concurrency_key  TEXT,
  crowded          INTEGER NOT NULL DEFAULT 0, -- 1 while as many of its key have a place as may.
  metered          INTEGER NOT NULL DEFAULT 0, -- 1 when it counts for the queue of the plugin that enqueued it.
  budgeted         INTEGER NOT NULL DEFAULT 0, -- 1 while it runs at the cost of a budget.
  parent_id        TEXT,
  followed         INTEGER NOT NULL DEFAULT 0, -- 1 when its end concerns others: they wait for it, or are its children.
  waits            INTEGER NOT NULL DEFAULT 0, -- How many jobs it still waits for.
  wait_policy      TEXT, -- When one of those does not complete: fail, continue or cancel.
  child_policy     TEXT, -- When it fails, of its children: keep or cancel.
  retry_of         TEXT,
  schedule_id      TEXT,
  occurrence       INTEGER,
  run_count        INTEGER, -- Which run of its schedule it is, from 1.
  declared_id      TEXT    NOT NULL DEFAULT '',
  node             TEXT    NOT NULL DEFAULT '',
  catchup          INTEGER NOT NULL DEFAULT 0,
  expires_at       INTEGER,
  timeout_ms       INTEGER,
  retry            TEXT,
  progress         TEXT,
  cost_estimate    REAL    NOT NULL DEFAULT 0,
  cost_actual      REAL    NOT NULL DEFAULT 0,
  plugin_version   TEXT,
  plugin_digest    TEXT,
  traceparent      TEXT,
  created_at       INTEGER NOT NULL,
  started_at       INTEGER,
  first_started_at INTEGER, -- The first try: what is wanted of a start is held against it.
  finished_at      INTEGER,
  pause            TEXT, -- JSON, while somebody keeps it from running.
  error            TEXT,
  history          TEXT, -- JSON: attempts that did not complete it.
  checkpoint       BLOB, -- What an attempt has saved for the next one.
  payload          BLOB    NOT NULL,
  result           BLOB,
  -- OR, not IN: for a list of more than two, SQLite builds a table in every statement, which doubles the cost of settling.
  CONSTRAINT job_state_known CHECK (
    state = 'completed' OR state = 'running' OR state = 'queued' OR state = 'scheduled' OR
    state = 'retrying' OR state = 'failed' OR state = 'cancelled' OR state = 'paused'),
  CONSTRAINT job_trigger_known CHECK (
    trigger = 'enqueue' OR trigger = 'schedule' OR trigger = 'run-now' OR trigger = 'backfill' OR
    trigger = 'retry' OR trigger = 'watcher'),
  CONSTRAINT job_attempt_counts CHECK (attempt >= 0 AND max_attempts >= 1 AND fence >= 0 AND lost >= 0),
  CONSTRAINT job_running_is_held CHECK ((state = 'running') = (boot_id IS NOT NULL)),
  CONSTRAINT job_finished_has_end CHECK (
    (state = 'completed' OR state = 'failed' OR state = 'cancelled') = (finished_at IS NOT NULL)),
  CONSTRAINT job_schedule_has_occurrence CHECK (trigger <> 'schedule' OR (schedule_id IS NOT NULL AND occurrence IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX job_backfill ON job (schedule_id, occurrence) WHERE trigger = 'backfill' AND state <> 'cancelled';

CREATE INDEX job_backfill_line ON job (schedule_id, state, seq) WHERE trigger = 'backfill' AND finished_at IS NULL;

CREATE INDEX job_due ON job (run_at) WHERE state IN ('scheduled', 'retrying') AND waits = 0;

CREATE INDEX job_expiring ON job (expires_at) WHERE expires_at IS NOT NULL AND started_at IS NULL AND finished_at IS NULL;

CREATE INDEX job_handler ON job (handler, seq);

CREATE INDEX job_held ON job (boot_id) WHERE boot_id IS NOT NULL;

CREATE INDEX job_key ON job (handler, tenant, concurrency_key, crowded, priority, seq)
  WHERE concurrency_key IS NOT NULL AND (state = 'queued' OR state = 'running');

CREATE INDEX job_lane ON job (lane, crowded, priority, seq) WHERE state = 'queued';

CREATE INDEX job_metered ON job (owner, tenant) WHERE metered = 1 AND finished_at IS NULL;

CREATE UNIQUE INDEX job_occurrence ON job (occurrence, schedule_id, node) WHERE trigger = 'schedule';

CREATE INDEX job_parent ON job (parent_id) WHERE parent_id IS NOT NULL;

CREATE INDEX job_plugin ON job (owner, seq) WHERE owner >= 'plugin:' AND owner < 'plugin;';

CREATE INDEX job_resting ON job (state, seq)
  WHERE state = 'scheduled' OR state = 'retrying' OR state = 'failed' OR state = 'cancelled' OR state = 'paused';

CREATE INDEX job_retry ON job (retry_of) WHERE retry_of IS NOT NULL;

CREATE INDEX job_schedule ON job (schedule_id, seq) WHERE schedule_id IS NOT NULL;

CREATE INDEX job_schedule_open ON job (schedule_id) WHERE trigger = 'schedule' AND finished_at IS NULL;

CREATE UNIQUE INDEX job_unique_key ON job (tenant, handler, unique_key) WHERE unique_key IS NOT NULL AND finished_at IS NULL;

CREATE INDEX job_unique_until ON job (tenant, handler, unique_key, unique_until) WHERE unique_until IS NOT NULL;

CREATE TABLE job_flow (
  job_id TEXT NOT NULL,
  task   TEXT NOT NULL,
  after  TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job_id, task),
  CONSTRAINT job_flow_task_known CHECK (task IN ('ended', 'siblings', 'children'))
) STRICT, WITHOUT ROWID;

CREATE TABLE job_wait (
  waits_for TEXT NOT NULL,
  job_id    TEXT NOT NULL,
  PRIMARY KEY (waits_for, job_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_wait_of ON job_wait (job_id);

CREATE TABLE lock (
  fence  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  key    TEXT    NOT NULL UNIQUE,
  token  TEXT    NOT NULL UNIQUE,
  holder TEXT    NOT NULL,
  until  INTEGER NOT NULL
) STRICT;

CREATE INDEX lock_until ON lock (until);

CREATE TABLE meta (
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE objective_missed (
  schedule_id TEXT    NOT NULL REFERENCES schedule (id),
  node        TEXT    NOT NULL,
  since       INTEGER NOT NULL,
  occurrence  INTEGER NOT NULL, -- The latest one that missed it.
  count       INTEGER NOT NULL,
  objective   TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  PRIMARY KEY (schedule_id, node),
  CONSTRAINT objective_known CHECK (objective IN ('start', 'succeed'))
) STRICT, WITHOUT ROWID;

CREATE TABLE objective_watch (
  schedule_id  TEXT    NOT NULL REFERENCES schedule (id),
  node         TEXT    NOT NULL,
  occurrence   INTEGER NOT NULL,
  effective_at INTEGER NOT NULL,
  due_at       INTEGER NOT NULL,
  PRIMARY KEY (schedule_id, node, occurrence)
) STRICT, WITHOUT ROWID;

CREATE INDEX objective_watch_due ON objective_watch (node, due_at);

CREATE TABLE occurrence (
  schedule_id     TEXT    NOT NULL REFERENCES schedule (id),
  occurrence      INTEGER NOT NULL,
  node            TEXT    NOT NULL,
  outcome         TEXT    NOT NULL,
  job_id          TEXT,
  related_job_id  TEXT,
  last_occurrence INTEGER NOT NULL,
  count           INTEGER NOT NULL,
  catchup         INTEGER NOT NULL DEFAULT 0,
  decided_at      INTEGER NOT NULL,
  seen_at         INTEGER, -- When it was looked at first: one that waits is decided later.
  revision        INTEGER NOT NULL,
  note            TEXT    NOT NULL,
  lock_key        TEXT, -- While it waits for its lock: what the provider is asked for.
  PRIMARY KEY (schedule_id, occurrence, node),
  CONSTRAINT occurrence_outcome_known CHECK (
    outcome = 'fired' OR outcome = 'fired-late' OR outcome = 'pending' OR outcome = 'caught-up' OR
    outcome = 'coalesced' OR outcome = 'skipped-overlap' OR outcome = 'skipped-missed' OR outcome = 'paused' OR
    outcome = 'blackout' OR outcome = 'quota' OR outcome = 'expired' OR outcome = 'other-node' OR outcome = 'deleted'),
  CONSTRAINT occurrence_fired_has_job CHECK (
    (outcome = 'fired' OR outcome = 'fired-late' OR outcome = 'caught-up') = (job_id IS NOT NULL)),
  CONSTRAINT occurrence_range_in_order CHECK (last_occurrence >= occurrence AND count >= 1),
  CONSTRAINT occurrence_lock_is_open CHECK (lock_key IS NULL OR outcome = 'pending')
) STRICT, WITHOUT ROWID;

CREATE INDEX occurrence_lock ON occurrence (occurrence) WHERE lock_key IS NOT NULL;

CREATE INDEX occurrence_pending ON occurrence (schedule_id, node, occurrence) WHERE outcome = 'pending';

CREATE TABLE plugin_attestation_use (
  plugin       TEXT    NOT NULL,
  tenant       TEXT    NOT NULL,
  attestations INTEGER NOT NULL,
  bytes        INTEGER NOT NULL,
  PRIMARY KEY (plugin, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE plugin_disabled (
  name TEXT    NOT NULL PRIMARY KEY,
  at   INTEGER NOT NULL,
  "by" TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plugin_history (
  seq    INTEGER NOT NULL PRIMARY KEY,
  name   TEXT    NOT NULL,
  change TEXT    NOT NULL,
  digest TEXT    NOT NULL,
  kind   TEXT    NOT NULL,
  entry  TEXT    NOT NULL,
  file   TEXT    NOT NULL,
  at     INTEGER NOT NULL,
  "by"   TEXT    NOT NULL
) STRICT;

CREATE INDEX plugin_history_name ON plugin_history (name, seq);

CREATE TABLE plugin_install (
  name   TEXT    NOT NULL PRIMARY KEY,
  tenant TEXT    NOT NULL,
  digest TEXT    NOT NULL,
  kind   TEXT    NOT NULL,
  entry  TEXT    NOT NULL,
  file   TEXT    NOT NULL,
  at     INTEGER NOT NULL,
  "by"   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plugin_provides (
  plugin   TEXT NOT NULL PRIMARY KEY,
  services TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER plugin_storage_added AFTER INSERT ON plugin_storage BEGIN
  UPDATE plugin_storage_use
     SET keys  = keys + 1,
         bytes = bytes + octet_length(new.key) + length(new.value)
   WHERE plugin = new.plugin
     AND tenant = new.tenant;
END;

CREATE TRIGGER plugin_storage_changed AFTER UPDATE OF value ON plugin_storage BEGIN
  UPDATE plugin_storage_use
     SET bytes = bytes + length(new.value) - length(old.value)
   WHERE plugin = new.plugin
     AND tenant = new.tenant;
END;

CREATE TRIGGER plugin_storage_removed AFTER DELETE ON plugin_storage BEGIN
  UPDATE plugin_storage_use
     SET keys  = keys - 1,
         bytes = bytes - octet_length(old.key) - length(old.value)
   WHERE plugin = old.plugin
     AND tenant = old.tenant;
END;

CREATE TABLE plugin_storage (
  plugin     TEXT    NOT NULL,
  tenant     TEXT    NOT NULL,
  key        TEXT    NOT NULL,
  version    INTEGER NOT NULL,
  expires_at INTEGER,
  value      BLOB    NOT NULL,
  PRIMARY KEY (plugin, tenant, key)
) STRICT;

CREATE INDEX plugin_storage_expires ON plugin_storage (expires_at) WHERE expires_at IS NOT NULL;

CREATE INDEX plugin_storage_expires_in ON plugin_storage (plugin, tenant, expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE plugin_storage_use (
  plugin  TEXT    NOT NULL,
  tenant  TEXT    NOT NULL,
  version INTEGER NOT NULL,
  keys    INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  PRIMARY KEY (plugin, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE quota_window (
  plugin TEXT    NOT NULL,
  tenant TEXT    NOT NULL,
  quota  TEXT    NOT NULL, -- Which limit it counts for.
  at     INTEGER NOT NULL,
  count  INTEGER NOT NULL,
  PRIMARY KEY (plugin, tenant, quota, at)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER schedule_woken AFTER UPDATE OF state ON schedule WHEN new.state = 'active' AND old.state <> 'active' BEGIN
  UPDATE schedule_cursor SET resting = 0 WHERE schedule_id = new.id;
END;

CREATE TABLE schedule (
  id          TEXT    NOT NULL PRIMARY KEY,
  tenant      TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  owner_kind  TEXT    NOT NULL,
  owner_name  TEXT    NOT NULL,
  declared_id TEXT    NOT NULL,
  declared_paused INTEGER NOT NULL DEFAULT 0, -- What its declaration said last, whatever people did since.
  target_kind TEXT    NOT NULL,
  target      TEXT    NOT NULL,
  spec        TEXT    NOT NULL,
  timezone    TEXT    NOT NULL,
  anchor      INTEGER NOT NULL,
  policy      TEXT    NOT NULL,
  locking     TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  pause       TEXT, -- Of a deleted one: what a person said, for the day it is declared again.
  deleted_by  TEXT,
  description TEXT    NOT NULL,
  metadata    TEXT    NOT NULL,
  revision    INTEGER NOT NULL,
  failures    INTEGER NOT NULL DEFAULT 0,
  slow        TEXT, -- JSON, while its runs take longer than its interval: how often it really runs.
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  payload     BLOB    NOT NULL,
  CONSTRAINT schedule_state_known CHECK (state IN ('active', 'paused', 'finished', 'deleted')),
  CONSTRAINT schedule_target_known CHECK (target_kind IN ('handler', 'endpoint', 'agent')),
  CONSTRAINT schedule_owner_known CHECK (owner_kind IN ('file', 'plugin', 'person')),
  CONSTRAINT schedule_paused_says_why CHECK (
    CASE state WHEN 'paused' THEN pause IS NOT NULL WHEN 'deleted' THEN TRUE ELSE pause IS NULL END),
  CONSTRAINT schedule_deleted_says_who CHECK ((state = 'deleted') = (deleted_by IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX schedule_by_name ON schedule (name) WHERE name <> '' AND state <> 'deleted';

CREATE INDEX schedule_counted ON schedule (owner_name, tenant, declared_id) WHERE owner_kind = 'plugin' AND state <> 'deleted';

CREATE UNIQUE INDEX schedule_declared ON schedule (tenant, owner_kind, owner_name, declared_id) WHERE declared_id <> '';

CREATE INDEX schedule_kept ON schedule (owner_name, tenant, updated_at)
  WHERE owner_kind = 'plugin' AND state = 'deleted' AND declared_id = '' AND (payload <> x'' OR metadata <> '{}');

CREATE UNIQUE INDEX schedule_name ON schedule (tenant, owner_kind, owner_name, name) WHERE name <> '' AND state <> 'deleted';

CREATE INDEX schedule_owner ON schedule (owner_kind, owner_name, id);

CREATE INDEX schedule_people ON schedule (tenant) WHERE owner_kind = 'person' AND state <> 'deleted';

CREATE INDEX schedule_state ON schedule (state, id);

CREATE INDEX schedule_target ON schedule (target, id);

CREATE TABLE schedule_blackout (
  blackout    TEXT NOT NULL REFERENCES blackout (name),
  schedule_id TEXT NOT NULL REFERENCES schedule (id),
  PRIMARY KEY (blackout, schedule_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX schedule_blackout_by_schedule ON schedule_blackout (schedule_id);

CREATE TRIGGER schedule_cursor_gone AFTER DELETE ON schedule_cursor BEGIN
  INSERT OR REPLACE INTO gone_cursor VALUES (old.schedule_id, old.node, old.accounted_until);
END;

CREATE TABLE schedule_cursor (
  schedule_id     TEXT    NOT NULL REFERENCES schedule (id),
  node            TEXT    NOT NULL,
  accounted_until INTEGER NOT NULL,
  next_occurrence INTEGER,
  due_at          INTEGER,
  priority        INTEGER NOT NULL DEFAULT 0, -- That of its runs: of those due at the same moment, lower ones come first.
  resting         INTEGER NOT NULL DEFAULT 0, -- 1 when whoever moved it last meant that nothing is due.
  PRIMARY KEY (schedule_id, node),
  CONSTRAINT cursor_moves_on CHECK (next_occurrence IS NULL OR next_occurrence > accounted_until)
) STRICT, WITHOUT ROWID;

CREATE INDEX schedule_cursor_due ON schedule_cursor (node, due_at, priority) WHERE due_at IS NOT NULL;

CREATE INDEX schedule_cursor_next ON schedule_cursor (next_occurrence) WHERE next_occurrence IS NOT NULL;

CREATE INDEX schedule_cursor_stopped ON schedule_cursor (schedule_id) WHERE due_at IS NULL AND resting = 0;

CREATE TABLE schedule_revision (
  schedule_id    TEXT    NOT NULL REFERENCES schedule (id),
  revision       INTEGER NOT NULL,
  effective_from INTEGER NOT NULL,
  spec           TEXT    NOT NULL,
  timezone       TEXT    NOT NULL,
  anchor         INTEGER NOT NULL,
  policy         TEXT    NOT NULL,
  tzdata         TEXT    NOT NULL,
  PRIMARY KEY (schedule_id, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX schedule_revision_changed ON schedule_revision (schedule_id) WHERE revision > 1;

CREATE TABLE schedule_run (
  schedule_id TEXT    NOT NULL PRIMARY KEY REFERENCES schedule (id),
  run_count   INTEGER NOT NULL,
  last_run_at INTEGER, -- NULL where it has only run elsewhere.
  last_job_id TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE schedule_term (
  schedule_id TEXT    NOT NULL REFERENCES schedule (id),
  node        TEXT    NOT NULL,
  since       INTEGER NOT NULL,
  revision    INTEGER,
  tzdata      TEXT    NOT NULL,
  PRIMARY KEY (schedule_id, node, since)
) STRICT, WITHOUT ROWID;

CREATE TABLE watcher (
  plugin               TEXT    NOT NULL,
  id                   TEXT    NOT NULL,
  tenant               TEXT    NOT NULL,
  handler              TEXT    NOT NULL,
  subjects             TEXT    NOT NULL, -- JSON, as are the others.
  predicates           TEXT    NOT NULL,
  contexts             TEXT    NOT NULL,
  actors               TEXT    NOT NULL,
  fires_per_second_max INTEGER NOT NULL,
  queue_depth          INTEGER, -- How many jobs that have not ended its plugin may have; NULL: any number.
  next_at              REAL    NOT NULL DEFAULT 0, -- When its next job may begin.
  behind               INTEGER, -- The attestation up to which it has come, while it has not come to all.
  fires                INTEGER NOT NULL DEFAULT 0,
  last_fired_at        INTEGER,
  CONSTRAINT watcher_fires CHECK (fires_per_second_max >= 1),
  PRIMARY KEY (plugin, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook (
  seq        INTEGER NOT NULL PRIMARY KEY, -- Of the event.
  event_id   TEXT    NOT NULL,
  subject    TEXT    NOT NULL,
  body       TEXT    NOT NULL,
  attempt    INTEGER NOT NULL DEFAULT 0,
  reason     TEXT    NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  due_at     INTEGER
) STRICT;

CREATE INDEX webhook_due ON webhook (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX webhook_subject ON webhook (subject, seq);
