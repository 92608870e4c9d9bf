/** `qntx doctor` looks for what is wrong, and says what to do about it. */
import type { hostDoctor } from "../../../internal/operations/host.ts";
import type { OutputOf } from "../../../internal/operations/operation.ts";
import type { hostRepair } from "../../../internal/operations/repair.ts";
import { openClient } from "../client.ts";
import { command } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";

export const doctor = command({
  details: "Exits 1 when something is wrong.",
  args: {
    repair: { type: "boolean", description: "Set right what nobody would look after again" },
    confirmClock: { type: "boolean", description: "Say that the clock is right, although it jumped" },
  },
  examples: [
    { line: "qntx doctor", why: "before asking somebody" },
    { line: "qntx doctor --repair", why: "without waiting for the host, or while there is none" },
  ],
  async run({ args, world, globals, out }): Promise<ExitCode> {
    await using client = await openClient(world, globals);
    if (args.confirmClock) await client.call("host.confirmClock");
    if (args.repair) {
      const { repaired } = await client.call<OutputOf<typeof hostRepair>>("host.repair");
      for (const sentence of repaired) out.say(sentence);
      if (repaired.length === 0) out.say("There was nothing to repair.");
    }
    const report = await client.call<OutputOf<typeof hostDoctor>>("host.doctor");
    const rows = report.checks.map(({ check, ok, detail }) => [
      ok ? out.paint("green", "ok") : out.paint("red", "wrong"),
      check,
      detail,
    ]);
    out.data(report, () => out.table([{ title: "" }, { title: "check" }, { title: "detail" }], rows));
    return report.ok ? EXIT.ok : EXIT.failed;
  },
});
