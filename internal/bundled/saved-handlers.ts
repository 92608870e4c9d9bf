/**
 * SavedHandlers: the handlers that people have saved: attestations whose subject
 * is a name and whose attribute `code` is a source file. The newest of a subject
 * counts; one that is `deleted` means that there is none.
 *
 * They are read at the start and followed from then on. What the stream says is
 * only a hint that a name has changed: the store is asked for its newest, so
 * that the order of arrival never decides.
 */
import type { Attestation, Attestations, JobLog } from "../../sdk/typescript/qntx.ts";
import { newestOf } from "./newest.ts";

const PAGE = 500; // Versions of handlers per query: some megabytes at most.
const PAGES_MAX = 40; // Twenty thousand versions; older ones are history.
const SETTLED_MS = 1_000; // By then the stream stands, so what it missed at first is in the store.
const NAME_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,120}$/; // With "shell." in front it is still a handler's name.

/** A saved handler as it is now. */
export interface SavedHandler {
  /** As people call it, and part of the handler's name: `<context>.<name>`. */
  name: string;
  context: string;
  code: string;
  /** The attribute `lang`: ts, js, sh; empty when nothing was said. */
  lang: string;
}

export interface SavedHandlersOptions {
  /** Contexts to follow; each is also the first part of its handlers' names. */
  contexts: readonly string[];
  /** Handlers that the plugin has itself. */
  reserved: readonly string[];
  log: JobLog;
}

/** Finds and follows saved handlers. */
export class SavedHandlers {
  readonly #ats: Attestations;
  readonly #options: SavedHandlersOptions;
  readonly #stop = new AbortController();
  readonly #handlers = new Map<string, SavedHandler>();
  #work: Promise<void> = Promise.resolve();

  constructor(ats: Attestations, options: SavedHandlersOptions) {
    this.#ats = ats;
    this.#options = options;
  }

  /** By handler name, like `script.greet`. */
  get all(): ReadonlyMap<string, SavedHandler> {
    return this.#handlers;
  }

  /** Reads what there is; then calls `changed` after every change, until `stop`. Throws when the store cannot be read. */
  async follow(changed: () => Promise<void>): Promise<void> {
    const filter = { predicates: ["handler"], contexts: [...this.#options.contexts] };
    const news = this.#ats.watch(filter, this.#stop.signal); // Before reading, so that little falls between.
    await this.#readAll();
    void this.#listen(news, changed);
    const again = async () => {
      if (await this.#readAll()) await changed();
    };
    const timer = setTimeout(() => void this.#inTurn(again), SETTLED_MS);
    this.#stop.signal.addEventListener("abort", () => clearTimeout(timer));
  }

  /** Follows no more. */
  stop(): void {
    this.#stop.abort();
  }

  async #listen(news: AsyncIterable<Attestation>, changed: () => Promise<void>): Promise<void> {
    for await (const { subjects, contexts } of news) {
      void this.#inTurn(async () => {
        if (await this.#readNewest(subjects, contexts)) await changed();
      });
    }
  }

  /** One after the other, so that an older answer never overtakes a newer one. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      if (this.#stop.signal.aborted) return;
      const why = { why: String(error) };
      this.#options.log.error("saved handlers could not be read; the next change is another chance", why);
    });
    return this.#work;
  }

  /** Reads all versions, newest first, page by page. True when something is another now. */
  async #readAll(): Promise<boolean> {
    const newest = new Map<string, Attestation>();
    const seen = new Set<string>();
    let timeEnd: number | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      const filter = { predicates: ["handler"], contexts: [...this.#options.contexts], limit: PAGE };
      const found = await this.#ats.query({ ...filter, ...(timeEnd === undefined ? {} : { timeEnd }) });
      const fresh = found.filter(({ id }) => !seen.has(id)); // Pages meet in an instant that both hold.
      for (const attestation of fresh) {
        seen.add(attestation.id);
        for (const key of this.#keysOf(attestation)) if (!newest.has(key)) newest.set(key, attestation);
      }
      timeEnd = found.at(-1)?.timestamp;
      if (found.length < PAGE || fresh.length === 0) break;
    }
    return this.#takeAll(newest);
  }

  async #readNewest(subjects: readonly string[], contexts: readonly string[]): Promise<boolean> {
    const newest = new Map<string, Attestation>();
    for (const context of contexts.filter((each) => this.#options.contexts.includes(each))) {
      const found = await newestOf(this.#ats, subjects, { predicates: ["handler"], contexts: [context] });
      for (const [name, attestation] of found) newest.set(`${context}.${name}`, attestation);
    }
    return this.#takeAll(newest);
  }

  #keysOf({ subjects, contexts }: Attestation): string[] {
    const ours = contexts.filter((context) => this.#options.contexts.includes(context));
    return ours.flatMap((context) => subjects.map((name) => `${context}.${name}`));
  }

  #takeAll(newest: ReadonlyMap<string, Attestation>): boolean {
    let changed = false;
    for (const [key, attestation] of newest) changed = this.#take(key, attestation) || changed;
    return changed;
  }

  #take(key: string, { attributes }: Attestation): boolean {
    const { context, name } = splitKey(key);
    const code: unknown = attributes["deleted"] === true ? undefined : attributes["code"];
    const lang = typeof attributes["lang"] === "string" ? attributes["lang"] : "";
    const before = this.#handlers.get(key);
    if (typeof code !== "string") return this.#handlers.delete(key);
    if (code === before?.code && lang === before.lang) return false;
    if (!NAME_PATTERN.test(name) || this.#options.reserved.includes(key)) {
      this.#options.log.warn(`a saved handler cannot be named ${JSON.stringify(key)}; it is left out`);
      return false;
    }
    this.#handlers.set(key, { name, context, code, lang });
    this.#options.log.info(before ? `handler ${key} has changed` : `found handler ${key}`);
    return true;
  }
}

/** A context has no dot; a name may have some. */
function splitKey(key: string): { context: string; name: string } {
  const dot = key.indexOf(".");
  return { context: key.slice(0, dot), name: key.slice(dot + 1) };
}
