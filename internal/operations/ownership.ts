/**
 * Ownership: who may change the definition of a schedule. Whoever stated it where it
 * is stated again (a configuration file, a document, a plugin's declaration) would set
 * a change back, so the change belongs there.
 *
 * Pausing, resuming, deleting and running say something about the schedule, not about
 * its definition: they are for everybody for whom it exists at all (reference.ts).
 */
import { Fault } from "../base/fault.ts";
import type { Schedule } from "../schedule/schedule.ts";
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

/** What people call a schedule in a sentence: its name, and its id. */
export function label({ name, id }: Pick<Schedule, "name" | "id">): string {
  return name === "" ? id : `${name} (${id})`;
}
