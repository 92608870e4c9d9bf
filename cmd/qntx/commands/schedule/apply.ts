/** `qntx schedule apply -f FILE` makes schedules as a document states them: all of it, or nothing. */
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type {
  scheduleApply as operation,
  schedulePlan,
} from "../../../../internal/operations/schedule-apply.ts";
import type { FieldChange, PlanAction, PlanLine } from "../../../../internal/operations/schedule-plan.ts";
import { type Client, openClient } from "../../client.ts";
import { command, yesArg } from "../../command.ts";
import { EXIT, type ExitCode } from "../../exit.ts";
import { counted } from "../../layout.ts";
import type { Out, Style } from "../../output.ts";
import { fileText } from "../../values.ts";

const VALUE_CHARS_MAX = 60; // Of a payload, its beginning is enough to know it by.
const STYLES: Partial<Record<PlanAction, Style>> = {
  create: "green",
  change: "yellow",
  delete: "red",
  refused: "red",
  unchanged: "dim",
};
const NAMES_MAX = 5; // Enough to see whose they are; --plan shows all.
type Applied = OutputOf<typeof operation | typeof schedulePlan>;

export const scheduleApply = command({
  details:
    "What is not different is not touched. With --plan nothing is changed; it ends with 9 when something would be, and\nwith 5 when something would be refused.",
  args: {
    file: {
      type: "string",
      alias: "f",
      required: true,
      valueHint: "FILE|-",
      complete: "files",
      description: "The document, in YAML or JSON",
    },
    plan: { type: "boolean", description: "Show what would change, and change nothing" },
    prune: { type: "boolean", description: "Delete what the same source made and no longer states" },
    yes: yesArg,
  },
  examples: [
    { line: "qntx schedule apply -f schedules.yaml --plan", why: "look first" },
    { line: "qntx schedule apply -f schedules.yaml --prune --yes", why: "and delete what is gone from it" },
    { line: "ssh other qntx schedule export | qntx schedule apply -f -", why: "as they are there" },
  ],
  async run({ args: { file, plan, prune, yes }, world, globals, out }): Promise<ExitCode> {
    const document = await fileText(file, "--file", world);
    const name = file === "-" ? "standard input" : file;
    const { refuseLarge } = await import("../../../../internal/operations/schedule-document.ts");
    refuseLarge(name, document); // Before it is sent: a host does not read what is longer than a request may be.
    await using client = await openClient(world, globals);
    const operation = plan ? "schedule.plan" : "schedule.apply";
    const input = { document, name, prune };
    if (prune && !plan && !yes) await confirmPruning(client, out, input);
    const applied = await client.call<Applied>(operation, input);
    out.data(applied, () => planTable(out, applied.lines));
    applied.warnings.forEach((warning) => out.warn(warning));
    out.say(summary(applied, plan));
    if (!plan) return EXIT.ok;
    return applied.refused > 0 ? EXIT.conflict : applied.changes > 0 ? EXIT.changes : EXIT.ok;
  },
});

/** Asks only when something would be deleted, and says how much. */
async function confirmPruning(client: Client, out: Out, input: object): Promise<void> {
  const { lines, refused } = await client.call<Applied>("schedule.plan", input);
  const gone = lines.filter(({ action }) => action === "delete");
  if (gone.length === 0 || refused > 0) return; // What is refused says so itself.
  const names = gone.slice(0, NAMES_MAX).map(({ name, id }) => name || id);
  const more = gone.length - names.length;
  const which = `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  await out.confirm(`Delete ${counted(gone.length, "schedule")} (${which})?`, false);
}

function planTable(out: Out, lines: readonly PlanLine[]): string {
  if (lines.length === 0) return "";
  const rows = lines.map(({ action, noun, name, id, changes, reason, hint }) => {
    const style = STYLES[action];
    const what = noun === "blackout" ? `blackout ${name}` : name || id || "-";
    const why = [reason, hint, changes.map(changeShown).join(", ")].filter((part) => part).join(" ");
    return [style ? out.paint(style, action) : action, what, why];
  });
  return out.table([{ title: "plan" }, { title: "schedule" }, { title: "what" }], rows);
}

function changeShown({ field, from, to }: FieldChange): string {
  return from === null ? `${field}: ${valueShown(to)}` : `${field}: ${valueShown(from)} → ${valueShown(to)}`;
}

function valueShown(value: FieldChange["from"]): string {
  const text = typeof value === "string" ? value : value === null ? "nothing" : JSON.stringify(value);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
}

function summary({ changes, refused }: Applied, plan: boolean): string {
  if (refused > 0) return `${counted(refused, "schedule")} would be refused, so nothing would be changed.`;
  if (changes === 0) return "No changes.";
  return plan ? `${counted(changes, "change")} to make.` : `${counted(changes, "change")} made.`;
}
