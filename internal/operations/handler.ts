/**
 * Saved handlers: scripts that become handlers. A version is an attestation
 * (subject = name, predicate `handler`, context = the language's plugin, source
 * in attribute `code`); the newest one counts, and a deletion is one as well.
 * The plugin of the language discovers them; nothing here runs anything.
 */
import { z } from "zod";
import { type Attestation, HANDLER_PREDICATE } from "../ats/attestation.ts";
import { principalName } from "../access/principal.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { formatInstant } from "../base/instant.ts";
import { formatRate, usualBurst } from "../base/rate.ts";
import { type HandlerLimits, type HandlerPause, pauseOf } from "../store/limits.ts";
import { attest } from "./attestation.ts";
import { type Context, operation } from "./operation.ts";

/** The plugins of their languages are the host's own. */
const SAVED = { tenant: "", predicates: [HANDLER_PREDICATE] };
const CODE_CHARS_MAX = 524_288; // A script; what is larger belongs into a plugin.
const VERSIONS_MAX = 1_000; // Shown of one handler.
const HANDLERS_MAX = 50_000; // Versions of all handlers that are looked through.
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** Languages: the context that the plugin looks for, and the prefix of the announced name. */
const CONTEXTS = { py: "python", ts: "script", js: "script", sh: "shell" } as const;
type Language = keyof typeof CONTEXTS;
const LANGUAGES = ["py", "ts", "js", "sh"] as const satisfies readonly Language[];

export const handlerCreate = operation({
  name: "handler.create",
  summary: "Save a script as a handler, or a new version of it",
  changes: true,
  input: z.strictObject({
    name: z.string(),
    code: z.string().min(1, "is empty.").max(CODE_CHARS_MAX, `has more than ${CODE_CHARS_MAX} characters.`),
    lang: z.enum(LANGUAGES, `must be one of ${LANGUAGES.join(", ")}.`),
  }),
  async run(context, { name, code, lang }) {
    readHandlerName(name);
    return viewHandler(await write(context, { name, context: CONTEXTS[lang], attributes: { code, lang } }));
  },
});

export const handlerList = operation({
  name: "handler.list",
  summary: "List saved handlers, and others that are paused or have limits",
  input: z.strictObject({}),
  async run(context): Promise<{ handlers: HandlerView[] }> {
    const newest = [...(await newestVersions(context)).values()].filter((version) => !isDeleted(version));
    const rules = await rulesOf(context);
    const saved = newest.map((version) => {
      const { code: _, ...view } = viewHandler(version);
      return { ...view, ...stateOf(context, view.handler, rules) };
    });
    const names = new Set(saved.map(({ handler }) => handler));
    const others = new Set([...rules.pauses, ...rules.limits].map(({ handler }) => handler))
      .values()
      .filter((handler) => !names.has(handler))
      .map((handler) => ({ ...notSaved(handler), ...stateOf(context, handler, rules) }));
    return { handlers: [...saved, ...others].toSorted((a, b) => a.handler.localeCompare(b.handler)) };
  },
});

export const handlerShow = operation({
  name: "handler.show",
  summary: "Show a handler, and the code of a saved one",
  input: z.strictObject({ name: z.string() }),
  async run(context, { name }) {
    const rules = await rulesOf(context);
    const isOther =
      context.host?.plugins.offers(name)?.live || rules.pauses.some(({ handler }) => handler === name);
    const saved = isOther ? await announcedHandler(context, name) : name;
    const view =
      saved === null ? { ...notSaved(name), code: null } : viewHandler(await resolveHandler(context, saved));
    return { ...view, ...stateOf(context, view.handler, rules) };
  },
});

export const handlerHistory = operation({
  name: "handler.history",
  summary: "List the versions of a saved handler, newest first",
  input: z.strictObject({ name: z.string() }),
  async run(context, { name }) {
    const versions = await versionsOf(context, name);
    return {
      versions: versions.map((version, index) => ({
        version: version.id,
        current: index === 0,
        deleted: isDeleted(version),
        chars: codeOf(version).length,
        by: version.source,
        createdAt: formatInstant(version.createdAt),
      })),
    };
  },
});

export const handlerRollback = operation({
  name: "handler.rollback",
  summary: "Make an older version of a handler the current one",
  changes: true,
  input: z.strictObject({ name: z.string(), version: z.string().optional() }),
  async run(context, { name, version }) {
    const versions = (await versionsOf(context, name)).filter((candidate) => !isDeleted(candidate));
    const target =
      version === undefined
        ? versions[1]
        : versions.find(({ id }) => id === version || id.endsWith(version.toUpperCase()));
    if (!target) {
      const missing = version === undefined ? "no older version" : `no version ${shown(version)}`;
      throw new Fault("not-found", `Handler ${name} has ${missing}.`, {
        hint: `qntx handler history ${name} shows them.`,
      });
    }
    const [context0] = target.contexts;
    const [subject] = target.subjects;
    return viewHandler(
      await write(context, { name: subject ?? name, context: context0 ?? "", attributes: target.attributes }),
    );
  },
});

export const handlerDelete = operation({
  name: "handler.delete",
  summary: "Delete a saved handler; its versions stay in the history",
  changes: true,
  input: z.strictObject({ name: z.string() }),
  async run(context, { name }) {
    const version = await resolveHandler(context, name);
    const { lang } = version.attributes;
    const deleted = await write(context, {
      name: version.subjects[0] ?? name,
      context: version.contexts[0] ?? "",
      attributes: { deleted: true, ...(lang === undefined ? {} : { lang }) },
    });
    return viewHandler(deleted);
  },
});

export const handlerOperations = [
  handlerCreate,
  handlerList,
  handlerShow,
  handlerHistory,
  handlerRollback,
  handlerDelete,
];

async function write(
  context: Context,
  {
    name,
    context: language,
    attributes,
  }: { name: string; context: string; attributes: Attestation["attributes"] },
): Promise<Attestation> {
  const source = principalName(context.principal);
  const statement = {
    subjects: [name],
    predicates: [HANDLER_PREDICATE],
    contexts: [language],
    actors: [name],
  };
  const [written] = await attest(context, [
    { id: newId(context.env, "AS"), ...statement, timestamp: null, source, attributes },
  ]);
  if (!written) throw new Error("an attestation with a new id was not written");
  return written;
}

function readHandlerName(name: string): void {
  if (NAME_PATTERN.test(name)) return;
  throw fieldFault(
    "name",
    `${shown(name)} cannot be a handler's name.`,
    "Use letters, digits, dashes and underscores, at most 63.",
  );
}

/** The current version of the handler that is meant: `vacancies`, or `python.vacancies` where several languages have one. */
async function resolveHandler(context: Context, reference: string): Promise<Attestation> {
  const [current] = await versionsOf(context, reference);
  if (current && !isDeleted(current)) return current;
  throw new Fault("not-found", `There is no saved handler ${shown(reference)}.`, {
    hint: "qntx handler list shows them.",
  });
}

async function versionsOf(context: Context, reference: string): Promise<Attestation[]> {
  const dot = reference.indexOf(".");
  const subject = reference.slice(dot + 1);
  const contexts = dot < 0 ? undefined : [reference.slice(0, dot)];
  const filter = { ...SAVED, subjects: [subject], contexts, limit: VERSIONS_MAX };
  const versions = await context.store.attestations.query(filter);
  const languages = new Set(versions.map(({ contexts: [language] }) => language));
  if (languages.size > 1) {
    const names = [...languages].map((language) => `${language}.${subject}`);
    throw new Fault("usage", `${shown(reference)} could be several handlers:\n${names.join("\n")}`, {
      hint: "Use one of these names.",
    });
  }
  if (versions.length > 0) return versions;
  throw new Fault("not-found", `There is no saved handler ${shown(reference)}.`, {
    hint: "qntx handler list shows them.",
  });
}

/** The newest version of every handler, by its announced name. */
async function newestVersions({ store }: Context): Promise<Map<string, Attestation>> {
  const newest = new Map<string, Attestation>();
  for (const version of await store.attestations.query({ ...SAVED, limit: HANDLERS_MAX })) {
    const name = announcedName(version);
    if (!newest.has(name)) newest.set(name, version);
  }
  return newest;
}

function announcedName({ contexts: [language], subjects: [name] }: Attestation): string {
  return `${language}.${name}`;
}

function isDeleted({ attributes }: Attestation): boolean {
  return attributes["deleted"] === true;
}

function codeOf({ attributes }: Attestation): string {
  return typeof attributes["code"] === "string" ? attributes["code"] : "";
}

/** The announced name of a saved handler; null when there is none. */
export async function announcedHandler(context: Context, reference: string): Promise<string | null> {
  try {
    return announcedName(await resolveHandler(context, reference));
  } catch (error) {
    if (error instanceof Fault && error.code === "not-found") return null;
    throw error;
  }
}

/** The announced names of all saved handlers. */
export async function savedHandlers(context: Context): Promise<string[]> {
  return [...(await newestVersions(context))].flatMap(([name, version]) =>
    isDeleted(version) ? [] : [name],
  );
}

/** What is so now, and may change without a new version. */
function stateOf({ host }: Context, handler: string, { pauses, limits }: Rules) {
  const pause = pauseOf(pauses, handler);
  return {
    live: host?.plugins.offers(handler)?.live ?? false,
    ...viewLimits(limits.find((one) => one.handler === handler)),
    pause: pause ? viewPause(pause) : null,
  };
}

function viewLimits(
  limits: HandlerLimits | undefined,
): Pick<HandlerView, "concurrencyPerKey" | "rate" | "burst"> {
  const { perKey = null, rate = null, burst = null } = limits ?? {};
  return {
    concurrencyPerKey: perKey,
    rate: rate && formatRate(rate),
    burst: rate && (burst ?? usualBurst(rate)),
  };
}

/** What holds for handlers, whoever runs them. */
interface Rules {
  pauses: readonly HandlerPause[];
  limits: readonly HandlerLimits[];
}

async function rulesOf({ store: { limits } }: Context): Promise<Rules> {
  return { pauses: await limits.pauses(), limits: await limits.all() };
}

/** A handler that a plugin brings itself. */
function notSaved(handler: string) {
  return { name: handler, handler, lang: null, version: null, createdAt: null };
}

/** How a saved handler is shown, its code aside. */
export interface HandlerView {
  /** What it was saved as. */
  name: string;
  /** What jobs call it. */
  handler: string;
  /** Null, like version and time, when it is no saved script. */
  lang: string | null;
  /** Id of the version that counts. */
  version: string | null;
  createdAt: string | null;
  /** True when a plugin runs it now. */
  live: boolean;
  /** Jobs of one concurrency key at once; null means one after the other. */
  concurrencyPerKey: number | null;
  /** How many of its jobs start in how long, like "50/s", and how many of them at once; null means no limit. */
  rate: string | null;
  burst: number | null;
  /** Who lets its jobs wait, and why; null when nobody does. */
  pause: PauseView | null;
}

export interface PauseView {
  by: string;
  note: string;
  at: string;
}

/** How a pause is shown. */
export function viewPause({ by, note, at }: HandlerPause): PauseView {
  return { by, note, at: formatInstant(at) };
}

function viewHandler(version: Attestation) {
  return {
    name: version.subjects[0] ?? "",
    handler: announcedName(version),
    lang: String(version.attributes["lang"] ?? version.contexts[0] ?? ""),
    version: version.id,
    code: codeOf(version),
    createdAt: formatInstant(version.createdAt),
  };
}
