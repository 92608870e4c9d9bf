/** `qntx doctor` looks for what is wrong, and says what to do about it. */
import type { hostDoctor } from "../../../internal/operations/host.ts";
import type { OutputOf } from "../../../internal/operations/operation.ts";
import { openClient } from "../client.ts";
import { command } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";

export const doctor = command({
  details: "Exits 1 when something is wrong.",
  args: {
    confirmClock: { type: "boolean", description: "Say that the clock is right, although it jumped" },
  },
  examples: [{ line: "qntx doctor", why: "before asking somebody" }],
  async run({ args, world, globals, out }): Promise<ExitCode> {
    await using client = await openClient(world, globals);
    if (args.confirmClock) await client.call("host.confirmClock");
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
