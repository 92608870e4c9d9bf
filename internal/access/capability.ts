/**
 * Capability: a thing that a plugin may ask of its host. Without it the host
 * refuses, says which one is missing, and how to grant it.
 *
 * A plugin that the operator enables by name is trusted and has nearly all; one
 * that was installed, or belongs to a tenant, is a guest and has what cannot
 * disturb others. Either can be given more, or less, by name.
 */
import { Fault, shown } from "../base/fault.ts";
import { nearest } from "../base/suggest.ts";

interface Meaning {
  /** Completes "A plugin that has it may …". */
  readonly may: string;
  readonly guest: boolean;
  readonly trusted: boolean;
}

const EVERYBODY = { guest: true, trusted: true };
const TRUSTED = { guest: false, trusted: true };

/** All of them. */
export const CAPABILITIES = {
  "cap:queue.enqueue": {
    may: "enqueue jobs for its own handlers, and see and end its own jobs",
    ...EVERYBODY,
  },
  "cap:queue.enqueue-any": { may: "enqueue and schedule jobs for handlers of other plugins", ...TRUSTED },
  "cap:scheduler.manage": { may: "make, change and delete schedules of its own", ...TRUSTED },
  "cap:ats.read": { may: "query attestations and be told of new ones", ...EVERYBODY },
  "cap:ats.write": { may: "make attestations", ...EVERYBODY },
  "cap:handlers.save": {
    may: "save scripts as handlers, which the plugin of their language runs",
    ...TRUSTED,
  },
  "cap:context.read": { may: "know its tenant, its version and what it may do", ...EVERYBODY },
  "cap:storage.kv": { may: "store values by key, of its own", ...TRUSTED },
  "cap:locks.use": { may: "take locks", ...TRUSTED },
  "cap:http.serve": { may: "answer requests under /api/<plugin> and /ws/<plugin>", ...EVERYBODY },
  "cap:http.fetch": { may: "fetch from the web through the host", ...TRUSTED },
  "cap:secrets.get": { may: "ask for the secrets that [secrets.<plugin>] names for it", ...TRUSTED },
  "cap:services.use": {
    may: "call the models, embeddings and searches that other plugins provide",
    ...TRUSTED,
  },
  "cap:services.provide": { may: "provide these for other plugins", ...TRUSTED },
} as const satisfies Record<string, Meaning>;

export type Capability = keyof typeof CAPABILITIES;

/** How far a plugin is trusted where nothing was said about a single capability. */
export type Trust = "trusted" | "guest";

/** All names, as documents list them. */
export const CAPABILITY_NAMES = Object.keys(CAPABILITIES).filter(isCapability);

/** What a plugin has because of its trust. */
export function usualCapabilities(trust: Trust): Capability[] {
  return CAPABILITY_NAMES.filter((name) => CAPABILITIES[name][trust]);
}

/** True for a name in the table. */
export function isCapability(name: string): name is Capability {
  return Object.hasOwn(CAPABILITIES, name);
}

/** The command that grants them. */
export function grantLine(plugin: string, capabilities: readonly Capability[]): string {
  return `qntx plugin grant ${plugin} ${capabilities.join(" ")}`;
}

/** Reads a name. Throws a Fault, code usage, that says what was meant. */
export function parseCapability(name: string): Capability {
  if (isCapability(name)) return name;
  const meant = nearest(name, CAPABILITY_NAMES) ?? nearest(`cap:${name}`, CAPABILITY_NAMES);
  throw new Fault("usage", `There is no capability ${shown(name)}.`, {
    hint: meant === undefined ? `There are: ${CAPABILITY_NAMES.join(", ")}.` : `Did you mean ${meant}?`,
  });
}
