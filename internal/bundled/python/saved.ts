/**
 * SavedHandlers: the handlers that people have saved: attestations whose subject
 * is a name and whose attribute `code` is a Python file. The newest of a subject
 * counts; one that is `deleted` means that there is none.
 *
 * They are read at the start and followed from then on. What the stream says is
 * only a hint that a name has changed: the store is asked for its newest, so
 * that the order of arrival never decides.
 */
import type { Attestation, Attestations, JobLog } from "../../../sdk/typescript/qntx.ts";
import { newestOf } from "../newest.ts";

const FILTER = { predicates: ["handler"], contexts: ["python"] };
const PAGE = 500; // Versions of handlers per query.
const PAGES_MAX = 40; // Twenty thousand versions; older ones are history.
const SETTLED_MS = 1_000; // By then the stream stands, so what it missed at first is in the store.
const NAME_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,120}$/; // With "python." in front it is still a handler's name.
const RESERVED = ["script", "webhook", "csv"];

/** Finds and follows saved handlers. */
export class SavedHandlers {
  readonly #ats: Attestations;
  readonly #log: JobLog;
  readonly #stop = new AbortController();
  readonly #codes = new Map<string, string>();
  #work: Promise<void> = Promise.resolve();

  constructor(ats: Attestations, log: JobLog) {
    this.#ats = ats;
    this.#log = log;
  }

  /** Names that have a code, in alphabetical order. */
  get names(): string[] {
    return [...this.#codes.keys()].sort();
  }

  /** The newest code of a name; undefined when there is none. */
  code(name: string): string | undefined {
    return this.#codes.get(name);
  }

  /** Reads what there is; then calls `changed` after every change, until `stop`. Throws when the store cannot be read. */
  async follow(changed: () => Promise<void>): Promise<void> {
    const news = this.#ats.watch(FILTER, this.#stop.signal); // Before reading, so that little falls between.
    await this.#readAll();
    void this.#listen(news, changed);
    const settled = AbortSignal.timeout(SETTLED_MS);
    const again = async () => {
      if (await this.#readAll()) await changed();
    };
    settled.addEventListener("abort", () => void this.#inTurn(again));
  }

  /** Follows no more. */
  stop(): void {
    this.#stop.abort();
  }

  async #listen(news: AsyncIterable<Attestation>, changed: () => Promise<void>): Promise<void> {
    for await (const { subjects } of news) {
      void this.#inTurn(async () => {
        if (await this.#readNewest(subjects)) await changed();
      });
    }
  }

  /** One after the other, so that an older answer never overtakes a newer one. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      if (this.#stop.signal.aborted) return;
      this.#log.error("saved handlers could not be read; the next change is another chance", {
        why: String(error),
      });
    });
    return this.#work;
  }

  /** Reads all versions, newest first, page by page. True when a code is another one now. */
  async #readAll(): Promise<boolean> {
    const newest = new Map<string, Attestation>();
    const seen = new Set<string>();
    let timeEnd: number | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      const filter = { ...FILTER, limit: PAGE, ...(timeEnd === undefined ? {} : { timeEnd }) };
      const found = await this.#ats.query(filter);
      const fresh = found.filter(({ id }) => !seen.has(id)); // Pages meet in an instant that both hold.
      for (const attestation of fresh) {
        seen.add(attestation.id);
        for (const name of attestation.subjects) if (!newest.has(name)) newest.set(name, attestation);
      }
      timeEnd = found.at(-1)?.timestamp;
      if (found.length < PAGE || fresh.length === 0) break;
    }
    return this.#takeAll(newest);
  }

  async #readNewest(names: readonly string[]): Promise<boolean> {
    return this.#takeAll(await newestOf(this.#ats, names, FILTER));
  }

  #takeAll(newest: ReadonlyMap<string, Attestation>): boolean {
    let changed = false;
    for (const [name, attestation] of newest) changed = this.#take(name, attestation) || changed;
    return changed;
  }

  #take(name: string, { attributes }: Attestation): boolean {
    const code: unknown = attributes["deleted"] === true ? undefined : attributes["code"];
    const before = this.#codes.get(name);
    if (code === before) return false;
    if (typeof code !== "string") return this.#codes.delete(name);
    if (!NAME_PATTERN.test(name) || RESERVED.includes(name)) {
      this.#log.warn(`a saved handler cannot be named ${JSON.stringify(name)}; it is left out`);
      return false;
    }
    this.#codes.set(name, code);
    this.#log.info(
      before === undefined ? `found handler python.${name}` : `handler python.${name} has changed`,
    );
    return true;
  }
}
