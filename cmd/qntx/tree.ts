/**
 * Tree: every command of qntx: its name, the line that help shows, and the file
 * that is loaded when it is used. A new command is one file and one line here.
 *
 * Nothing may be imported from a command's file but through `lazy`, or `--help`
 * would load it.
 */
import { group, type Group, lazy } from "./command.ts";

export const tree: Group = group(
  "One binary that runs other people's code on time, and can prove that it did.",
  {
    serve: lazy("Run the host", () => import("./commands/serve.ts").then((file) => file.serve)),
    status: lazy("Show what runs, waits and comes next", () =>
      import("./commands/status.ts").then((file) => file.status),
    ),
    doctor: lazy("Look for what is wrong, and say what to do about it", () =>
      import("./commands/doctor.ts").then((file) => file.doctor),
    ),
    bench: lazy("Measure this machine with these settings, in a folder that is thrown away", () =>
      import("./commands/bench/bench.ts").then((file) => file.bench),
    ),
    schedule: group("What runs when", {
      create: lazy("Make a schedule", () =>
        import("./commands/schedule/create.ts").then((file) => file.scheduleCreate),
      ),
      list: lazy("List schedules", () =>
        import("./commands/schedule/list.ts").then((file) => file.scheduleList),
      ),
      show: lazy("Show one schedule", () =>
        import("./commands/schedule/show.ts").then((file) => file.scheduleShow),
      ),
      update: lazy("Change a schedule; what is not given stays", () =>
        import("./commands/schedule/update.ts").then((file) => file.scheduleUpdate),
      ),
      pause: lazy("Stop a schedule from firing until it is resumed", () =>
        import("./commands/schedule/pause.ts").then((file) => file.schedulePause),
      ),
      resume: lazy("Let a paused schedule fire again, from now on", () =>
        import("./commands/schedule/resume.ts").then((file) => file.scheduleResume),
      ),
      run: lazy("Run its job now", () =>
        import("./commands/schedule/run.ts").then((file) => file.scheduleRun),
      ),
      next: lazy("Show when it fires next, or when an expression would", () =>
        import("./commands/schedule/next.ts").then((file) => file.scheduleNext),
      ),
      ledger: lazy("Show what became of every occurrence", () =>
        import("./commands/schedule/ledger.ts").then((file) => file.scheduleLedger),
      ),
      explain: lazy("Say why it ran at an instant, or did not", () =>
        import("./commands/schedule/explain.ts").then((file) => file.scheduleExplain),
      ),
      verify: lazy("Compare the ledger with everything that was planned", () =>
        import("./commands/schedule/verify.ts").then((file) => file.scheduleVerify),
      ),
      simulate: lazy("Show what schedules do together over a span, past or to come", () =>
        import("./commands/schedule/simulate.ts").then((file) => file.scheduleSimulate),
      ),
      backfill: lazy("Run what it meant for a span of the past, beside its plan", () =>
        import("./commands/schedule/backfill.ts").then((file) => file.scheduleBackfill),
      ),
      delete: lazy("Delete a schedule; its ledger stays", () =>
        import("./commands/schedule/delete.ts").then((file) => file.scheduleDelete),
      ),
      export: lazy("Write schedules as a document that can be applied", () =>
        import("./commands/schedule/export.ts").then((file) => file.scheduleExport),
      ),
      apply: lazy("Make schedules as a document states them", () =>
        import("./commands/schedule/apply.ts").then((file) => file.scheduleApply),
      ),
    }),
    blackout: group("Times in which nothing fires, under a name", {
      set: lazy("Make one, or change it for all who observe it", () =>
        import("./commands/blackout/set.ts").then((file) => file.blackoutSet),
      ),
      list: lazy("List named blackouts", () =>
        import("./commands/blackout/list.ts").then((file) => file.blackoutList),
      ),
      show: lazy("Show its ranges, and which schedules observe it", () =>
        import("./commands/blackout/show.ts").then((file) => file.blackoutShow),
      ),
      delete: lazy("Delete one that no schedule observes", () =>
        import("./commands/blackout/delete.ts").then((file) => file.blackoutDelete),
      ),
    }),
    job: group(
      "Work for handlers, from enqueue to its end",
      {
        enqueue: lazy("Enqueue a job; it is on disk when this answers", () =>
          import("./commands/job/enqueue.ts").then((file) => file.jobEnqueue),
        ),
        batch: lazy("Enqueue jobs, and one that runs when all have ended", () =>
          import("./commands/job/batch.ts").then((file) => file.jobBatch),
        ),
        list: lazy("List jobs, newest first", () =>
          import("./commands/job/list.ts").then((file) => file.jobList),
        ),
        show: lazy("Show one job", () => import("./commands/job/show.ts").then((file) => file.jobShow)),
        logs: lazy("Show what a job said", () =>
          import("./commands/job/logs.ts").then((file) => file.jobLogs),
        ),
        wait: lazy("Wait until a job has ended", () =>
          import("./commands/job/wait.ts").then((file) => file.jobWait),
        ),
        cancel: lazy("Cancel jobs; one that runs is asked to end", () =>
          import("./commands/job/cancel.ts").then((file) => file.jobCancel),
        ),
        pause: lazy("Keep a job that waits from running until it is resumed", () =>
          import("./commands/job/pause.ts").then((file) => file.jobPause),
        ),
        resume: lazy("Let a paused job go on", () =>
          import("./commands/job/resume.ts").then((file) => file.jobResume),
        ),
        retry: lazy("Run jobs that have ended again, as new jobs", () =>
          import("./commands/job/retry.ts").then((file) => file.jobRetry),
        ),
        redrive: lazy("Retry the failed jobs that nobody has retried", () =>
          import("./commands/job/redrive.ts").then((file) => file.jobRedrive),
        ),
      },
      { aliases: ["run"] },
    ),
    handler: group("Saved scripts that jobs can run", {
      create: lazy("Save a script as a handler, or a new version of it", () =>
        import("./commands/handler/create.ts").then((file) => file.handlerCreate),
      ),
      list: lazy("List saved handlers", () =>
        import("./commands/handler/list.ts").then((file) => file.handlerList),
      ),
      show: lazy("Show a saved handler and its code", () =>
        import("./commands/handler/show.ts").then((file) => file.handlerShow),
      ),
      run: lazy("Run a handler now and show what it says and gives", () =>
        import("./commands/handler/run.ts").then((file) => file.handlerRun),
      ),
      pause: lazy("Let the jobs of a handler wait until it is resumed", () =>
        import("./commands/handler/pause.ts").then((file) => file.handlerPause),
      ),
      resume: lazy("Let the jobs of a paused handler run again", () =>
        import("./commands/handler/resume.ts").then((file) => file.handlerResume),
      ),
      history: lazy("List the versions of a saved handler", () =>
        import("./commands/handler/history.ts").then((file) => file.handlerHistory),
      ),
      rollback: lazy("Make an older version the current one", () =>
        import("./commands/handler/rollback.ts").then((file) => file.handlerRollback),
      ),
      delete: lazy("Delete a saved handler; its versions stay", () =>
        import("./commands/handler/delete.ts").then((file) => file.handlerDelete),
      ),
    }),
    budget: group("What jobs may cost, and how often they may start", {
      set: lazy("Set limits of a tenant, a plugin or a handler", () =>
        import("./commands/budget/set.ts").then((file) => file.budgetSet),
      ),
      list: lazy("List budgets, and what was spent of them", () =>
        import("./commands/budget/list.ts").then((file) => file.budgetList),
      ),
      show: lazy("Show one budget", () =>
        import("./commands/budget/show.ts").then((file) => file.budgetShow),
      ),
      unset: lazy("Take limits away", () =>
        import("./commands/budget/unset.ts").then((file) => file.budgetUnset),
      ),
    }),
    plugin: group("The programs that run jobs", {
      list: lazy("List plugins with their states and reasons", () =>
        import("./commands/plugin/list.ts").then((file) => file.pluginList),
      ),
      show: lazy("Show one plugin", () =>
        import("./commands/plugin/show.ts").then((file) => file.pluginShow),
      ),
      logs: lazy("Show what a plugin printed", () =>
        import("./commands/plugin/logs.ts").then((file) => file.pluginLogs),
      ),
      inspect: lazy("Say what a plugin is and announces, without running it", () =>
        import("./commands/plugin/inspect.ts").then((file) => file.pluginInspect),
      ),
      install: lazy("Install a plugin from a file, a folder or an archive", () =>
        import("./commands/plugin/install.ts").then((file) => file.pluginInstall),
      ),
      upgrade: lazy("Put another program in the place of an installed one, without a gap", () =>
        import("./commands/plugin/install.ts").then((file) => file.pluginUpgrade),
      ),
      remove: lazy("Remove an installed plugin with all that it registered", () =>
        import("./commands/plugin/remove.ts").then((file) => file.pluginRemove),
      ),
      storage: group("What plugins store by key", {
        list: lazy("List the keys of a plugin", () =>
          import("./commands/plugin/storage/list.ts").then((file) => file.pluginStorageList),
        ),
        get: lazy("Show what is stored under a key", () =>
          import("./commands/plugin/storage/get.ts").then((file) => file.pluginStorageGet),
        ),
        delete: lazy("Delete what is stored under a key", () =>
          import("./commands/plugin/storage/delete.ts").then((file) => file.pluginStorageDelete),
        ),
      }),
      history: lazy("Show what became of an installed plugin", () =>
        import("./commands/plugin/history.ts").then((file) => file.pluginHistory),
      ),
      enable: lazy("Switch a plugin on again, for good", () =>
        import("./commands/plugin/enable.ts").then((file) => file.pluginEnable),
      ),
      disable: lazy("Switch a plugin off, for good", () =>
        import("./commands/plugin/enable.ts").then((file) => file.pluginDisable),
      ),
      restart: lazy("Restart a plugin; lifts a quarantine", () =>
        import("./commands/plugin/restart.ts").then((file) => file.pluginRestart),
      ),
      grant: lazy("Let a plugin do what it may not do by itself", () =>
        import("./commands/plugin/grant.ts").then((file) => file.pluginGrant),
      ),
      revoke: lazy("Take away from a plugin what it may do", () =>
        import("./commands/plugin/grant.ts").then((file) => file.pluginRevoke),
      ),
      stop: lazy("Stop a plugin until it is started again", () =>
        import("./commands/plugin/stop.ts").then((file) => file.pluginStop),
      ),
      start: lazy("Start a plugin that was stopped", () =>
        import("./commands/plugin/start.ts").then((file) => file.pluginStart),
      ),
    }),
    quota: group("How much of the host plugins and people may take", {
      show: lazy("Show how much they may take, and how much they have", () =>
        import("./commands/quota/show.ts").then((file) => file.quotaShow),
      ),
    }),
    ats: group("Attestations: who says what of what", {
      query: lazy("Find attestations, last written first", () =>
        import("./commands/ats/query.ts").then((file) => file.atsQuery),
      ),
      create: lazy("Make an attestation", () =>
        import("./commands/ats/create.ts").then((file) => file.atsCreate),
      ),
    }),
    event: group("What happened that somebody should know", {
      list: lazy("List events, newest first, or follow them", () =>
        import("./commands/event/list.ts").then((file) => file.eventList),
      ),
    }),
    audit: group("The trail of what was changed", {
      list: lazy("List who did what, newest first", () =>
        import("./commands/audit/list.ts").then((file) => file.auditList),
      ),
    }),
    config: group("The configuration: qntx.toml, the environment and flags", {
      show: lazy("Show every value that is in force", () =>
        import("./commands/config/show.ts").then((file) => file.configShow),
      ),
      check: lazy("Check the configuration and say what is wrong with it", () =>
        import("./commands/config/check.ts").then((file) => file.configCheck),
      ),
      reload: lazy("Have a running host read it again, for its plugins", () =>
        import("./commands/config/reload.ts").then((file) => file.configReload),
      ),
      path: lazy("Show which file is read", () =>
        import("./commands/config/path.ts").then((file) => file.configPath),
      ),
    }),
    completion: lazy("Print the completion script for a shell", () =>
      import("./commands/completion.ts").then((file) => file.completion),
    ),
    version: lazy("Show the version and what it was built from", () =>
      import("./commands/version.ts").then((file) => file.version),
    ),
    __complete: lazy(
      "Words that may come next; called by the completion scripts",
      () => import("./commands/complete.ts").then((file) => file.complete),
      { hidden: true },
    ),
  },
);
