/** No queue at all: the statements that one on PostgreSQL cannot do without, FOR UPDATE SKIP LOCKED. */
import pg from "pg";

const CLAIM_JOBS = 500;
const CLAIMERS = 4;
const WAIT_MS = 500;

export async function open({ place: { url } }) {
  const pool = new pg.Pool({ connectionString: url, max: CLAIMERS + 1 });
  await pool.query(SCHEMA);
  const query = async (name, text, values) => (await pool.query({ name, text, values })).rows;
  return {
    add: (payload) => query("add", ADD, [JSON.stringify([payload])]),
    addMany: (payloads) => query("add", ADD, [JSON.stringify(payloads)]),
    async work(handler) {
      await pool.query("ANALYZE job"); // Or each claim sorts all that waits.
      const wake = await listening(url);
      for (let n = 0; n < CLAIMERS; n++) void claimer(query, handler, wake);
    },
  };
}

async function claimer(query, handler, wake) {
  for (;;) {
    const jobs = await query("claim", CLAIM, [CLAIM_JOBS]);
    for (const job of jobs) handler(job.payload);
    if (jobs.length > 0) await query("complete", COMPLETE, [jobs.map((job) => job.id)]);
    else await wake();
  }
}

/** Gives what waits until the database says that there is a job, or some time has passed. */
async function listening(url) {
  const waiting = new Set();
  const client = new pg.Client(url);
  await client.connect();
  await client.query("LISTEN job");
  client.on("notification", () => {
    for (const wake of waiting) wake();
    waiting.clear();
  });
  return () =>
    new Promise((resolve) => {
      waiting.add(resolve);
      setTimeout(resolve, WAIT_MS);
    });
}

const SCHEMA = `
  CREATE TABLE job (id bigserial PRIMARY KEY, state smallint NOT NULL DEFAULT 0, payload jsonb NOT NULL);
  CREATE INDEX job_queued ON job (id) WHERE state = 0`;

const ADD = `
  WITH added AS (INSERT INTO job (payload) SELECT jsonb_array_elements($1::jsonb))
  SELECT pg_notify('job', '')`;

const CLAIM = `
  UPDATE job
     SET state = 1
   WHERE id = ANY (ARRAY(SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
  RETURNING id, payload`;

const COMPLETE = "UPDATE job SET state = 2 WHERE id = ANY ($1::bigint[])";
