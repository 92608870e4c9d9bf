/** `qntx serve` runs the host: a small keeper in front, and behind it the process that does the work. */
import { createLog } from "../../../internal/base/log.ts";
import { Redactor } from "../../../internal/base/redactor.ts";
import { VERSION } from "../../../internal/base/version.ts";
import { command } from "../command.ts";
import type { ExitCode } from "../exit.ts";
import { openConfig } from "../settings.ts";
import { integer } from "../values.ts";
import { programArgv } from "../self.ts";

export const serve = command({
  details:
    "Runs in the foreground until Ctrl-C or SIGTERM: then no new work is taken, what runs is waited for,\n" +
    "and a second Ctrl-C does not wait.",
  args: {
    port: {
      type: "string",
      valueHint: "N",
      parse: integer(0, 65_535),
      description: "HTTP port; 0 takes any that is free",
    },
    noKeeper: { type: "boolean", description: "Run the host in this process, without a keeper in front" },
  },
  examples: [
    { line: "qntx serve", why: "run the host on the default data folder" },
    { line: "qntx serve --home ./data --port 0", why: "try it beside another host" },
  ],
  async run({ args, globals, out, world }): Promise<ExitCode | void> {
    const { canKeep, KEEPER_VARIABLE, runKeeper, watchKeeper } =
      await import("../../../internal/plugins/keeper.ts");
    const { hideMemory } = await import("../../../sdk/typescript/prctl.ts");
    hideMemory(); // The operator's token and those of all plugins are there.
    const kept = world.vars[KEEPER_VARIABLE] !== undefined;
    if (!kept && !args.noKeeper && canKeep()) {
      const code = await runKeeper(world.env, {
        argv: [...programArgv(), ...world.argv],
        vars: { ...world.vars },
      });
      return code as ExitCode;
    }
    const flags = args.port === undefined ? {} : { "serve.port": String(args.port) };
    const redactor = new Redactor();
    const onSecret = (name: string, value: string) => redactor.learn(name, value);
    const load = () => openConfig(world, globals, flags, { onSecret });
    const config = await load();
    const { serve: runHost } = await import("../../../internal/serve/serve.ts");
    const log = createLog(world.env, {
      level: config.log.level,
      format: config.log.format,
      write: (line) => world.stderr.write(`${redactor.redact(line)}\n`),
    });
    const startedAt = world.env.mono();
    const took = () => Math.round(world.env.mono() - startedAt);
    await runHost({
      env: world.env,
      log,
      redactor,
      config,
      load,
      self: programArgv(),
      version: VERSION,
      signals: world.quit(),
      onStarted: (killAll) =>
        void watchKeeper({ ...world.vars }, () => void killAll().finally(() => process.exit(1))),
      onReady: ({ address, home }) =>
        log.info("qntx is ready: work can be accepted", { address, home, tookMs: took() }),
      onWorking: () => log.info("handlers are registered: jobs run", { tookMs: took() }),
    });
    out.say("qntx has ended.");
  },
});
