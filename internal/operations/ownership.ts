/**
 * Ownership: who may change the definition of a schedule. Whoever stated it where it
 * is stated again (a configuration file, a document, a plugin's declaration) would set
 * a change back, so the change belongs there.
 *
 * Pausing, resuming, deleting and running say something about the schedule, not about
 * its definition: they are for everybody for whom it exists at all (reference.ts).
 */
import { Fault, fieldFault, shown } from "../base/fault.ts";
import type { Owner, Schedule } from "../schedule/schedule.ts";
import type { Context } from "./operation.ts";

const STILL_POSSIBLE = "Pausing, resuming and deleting are possible here.";

/** Throws a Fault, code conflict, that says who owns the definition and what to do instead. */
export function refuseForeign({ principal }: Pick<Context, "principal">, schedule: Schedule): void {
  if (principal.kind === "host") return;
  const home = homeOf(schedule);
  if (!home) return;
  throw new Fault("conflict", `Schedule ${label(schedule)} ${home.stated} and would be set back.`, {
    hint: `${home.wayOut} ${STILL_POSSIBLE}`,
  });
}

/** Whose a schedule is, and how it is changed by those who may, for somebody who may not. */
export function ownerSentence(schedule: Schedule): { belongs: string; wayOut: string } {
  const { kind, name } = schedule.owner;
  const home = homeOf(schedule);
  if (kind === "file" && schedule.declaredId === "") {
    const wayOut = `Change it there; a document that says source: ${name} is the same one.`;
    return { belongs: `belongs to the document ${JSON.stringify(name)}`, wayOut };
  }
  if (home) return { belongs: home.stated, wayOut: home.wayOut };
  const wayOut = `Change it with: qntx schedule update ${schedule.name || schedule.id}`;
  return { belongs: `belongs to ${ownerText(schedule.owner)}`, wayOut };
}

/** Where the definition of a schedule is stated again and again, and how to change it there; null when it is not. */
function homeOf({ owner, declaredId }: Schedule): { stated: string; wayOut: string } | null {
  if (owner.kind === "file" && declaredId !== "") {
    const wayOut = `Change it in ${owner.name}; the host reads that when it starts.`;
    return { stated: `is declared in ${owner.name}`, wayOut };
  }
  if (owner.kind === "file") {
    const wayOut = "Change it in that document, and apply it: qntx schedule apply -f FILE.";
    return { stated: `belongs to the document ${JSON.stringify(owner.name)}`, wayOut };
  }
  if (declaredId === "") return null;
  const wayOut = "Change its declaration in the plugin.";
  return { stated: `is declared by plugin ${owner.name}`, wayOut };
}

/** `person:operator`, `file:prod`, `plugin:poller`. */
export function ownerText({ kind, name }: Owner): string {
  return `${kind}:${name}`;
}

/** Reads an owner. Throws a Fault that names the field. */
export function parseOwner(text: string, field: string): Owner {
  const [, kind, name] = /^(person|plugin|file):(.{1,200})$/.exec(text) ?? [];
  if ((kind === "person" || kind === "plugin" || kind === "file") && name !== undefined)
    return { kind, name };
  throw fieldFault(
    field,
    `${shown(text)} is not an owner.`,
    'Write it like "person:operator" or "file:prod".',
  );
}

/** What people call a schedule in a sentence: its name, and its id. */
export function label({ name, id }: Pick<Schedule, "name" | "id">): string {
  return name === "" ? id : `${name} (${id})`;
}
