/** `qntx doctor` looks for what is wrong, and says what to do about it. */
import type { hostDoctor } from "../../../internal/operations/host.ts";
import type { OutputOf } from "../../../internal/operations/operation.ts";
import { openClient } from "../client.ts";
import { command } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";

export const doctor = command({
  details: "Exits 1 when something is wrong.",
  examples: [{ line: "qntx doctor", why: "before asking somebody" }],
  async run({ world, globals, out }): Promise<ExitCode> {
    await using client = await openClient(world, globals);
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
