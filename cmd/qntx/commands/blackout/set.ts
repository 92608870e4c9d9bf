/** `qntx blackout set NAME RANGE…` makes a named blackout, or changes it for all schedules that observe it. */
import { fieldFault, shown } from "../../../../internal/base/fault.ts";
import type { blackoutSet as operation } from "../../../../internal/operations/blackout.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command, type Parse } from "../../command.ts";
import { counted } from "../../layout.ts";
import { zoneNames } from "../../names.ts";
import { blackoutArg } from "./which.ts";

const SECOND_DATE = /^(?:[-–—]|\.\.|\/|to|until|till)?\s*(\d{4}-\d{2}-\d{2}\S*)/i;

/** `2026-12-24`, `2026-12-24..2026-12-26` or `FROM/TO`, and then a note. */
const range: Parse<{ from: string; to: string; note: string }> = (text, name) => {
  const [, span = "", note = ""] = /^(\S+)(?:\s+(.*))?$/s.exec(text.trim()) ?? [];
  const [from = "", to = from, ...more] = span.split(/\.\.|\//);
  const second = SECOND_DATE.exec(note)?.[1]; // "A - B" would be one day with a strange note.
  if (second !== undefined)
    throw fieldFault(name, `${shown(text)} is not a range.`, `Write it like "${from}..${second}".`);
  if (from !== "" && to !== "" && more.length === 0) return { from, to, note };
  throw fieldFault(
    name,
    `${shown(text)} is not a range.`,
    'Write it like 2026-12-24, "2026-12-24..2026-12-26 Christmas", or 2026-12-24T18:00:00Z/2026-12-25T06:00:00Z.',
  );
};

export const blackoutSet = command({
  details:
    "The ranges replace those that it had. Two dates are both in it; of two instants, the second is not.\nWhat has passed by then is written into the ledgers as it was.",
  args: {
    name: blackoutArg,
    ranges: {
      type: "positional",
      repeat: true,
      parse: range,
      valueHint: "RANGE",
      description: "Dates or instants, and a note",
    },
    tz: {
      type: "string",
      field: "timezone",
      valueHint: "ZONE",
      complete: zoneNames,
      description: "Time zone of the dates (default UTC, or as it was)",
    },
    description: { type: "string", valueHint: "TEXT", description: "What it is for" },
  },
  examples: [
    {
      line: 'qntx blackout set holidays "2026-12-24..2026-12-26 Christmas" 2027-01-01 --tz Europe/Amsterdam',
      why: "four days, with the clocks there",
    },
    { line: "qntx schedule update report --blackout holidays", why: "and who keeps still then" },
  ],
  async run({ args: { name, ranges, tz, description }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const input = { name, ranges, timezone: tz, description };
    const blackout = await client.call<OutputOf<typeof operation>>("blackout.set", input);
    const { created, schedules } = blackout;
    const followed = schedules === 0 ? "" : ` ${counted(schedules, "schedule")} changed with it.`;
    out.data(blackout, `Blackout ${name} is ${created ? "made" : "set"}.${followed}`);
  },
});
