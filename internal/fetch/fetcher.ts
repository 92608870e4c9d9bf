/**
 * Fetcher: gets an address of the web for a plugin, which may be anybody's program.
 *
 * It must not become a door into this machine and its network. A name is resolved
 * once, every address that it has must be a public one or allowed by the operator,
 * and the connection goes to that address and no other: whoever answers differently
 * the second time is not asked a second time. Each redirect is a new address, checked
 * anew. What comes back is bounded in size and time, and nothing of it is unpacked.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { formatDuration } from "../base/duration.ts";
import type { Env } from "../base/env.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { holds, type IpRange, isPublic, parseIp } from "../base/ip.ts";
import { FETCH_LIMITS, type FetchLimits } from "./limits.ts";
import { Turns } from "./turns.ts";

/** What an address answered. */
export interface Fetched {
  status: number;
  body: string;
}

/** All addresses of a name. Rejects when it has none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

export interface FetcherOptions {
  env: Env;
  version: string;
  /** What may be fetched although it is not public. */
  allowed: readonly IpRange[];
  resolve?: Resolve;
  limits?: Partial<FetchLimits>;
  /** Trusted besides those that the runtime trusts. */
  ca?: string;
}

/** Who fetches. */
export interface FetchAbout {
  caller: string;
  /** Aborted when nobody waits for it any more. */
  signal?: AbortSignal | undefined;
}

const ADDRESSES_MAX = 4; // Tried of one name: the next ones are mostly as unreachable.
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #limits: FetchLimits;
  readonly #turns: Turns;

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.#limits = { ...FETCH_LIMITS, ...options.limits };
    this.#turns = new Turns(options.env, this.#limits);
  }

  /** Throws a Fault that says why not; "denied" when the address is one that is not fetched. */
  async fetch(url: string, { caller, signal }: FetchAbout): Promise<Fetched> {
    const { totalMs } = this.#limits;
    const first = parseUrl(url);
    const leave = this.#turns.enter(caller);
    const late = new AbortController();
    const disarm = this.#options.env.after(totalMs, () => late.abort());
    try {
      return await this.#follow(first, AbortSignal.any([late.signal, ...(signal ? [signal] : [])]));
    } catch (error) {
      if (signal?.aborted) throw new Fault("unreachable", `Nobody waits for ${placeOf(first)} any more.`);
      if (!late.signal.aborted) throw error;
      throw new Fault("timeout", `${placeOf(first)} was not fetched within ${formatDuration(totalMs)}.`);
    } finally {
      disarm();
      leave();
    }
  }

  async #follow(first: URL, signal: AbortSignal): Promise<Fetched> {
    let url = first;
    for (let hops = 0; hops <= this.#limits.hopsMax; hops++) {
      const release = await this.#turns.take(url.host, signal);
      try {
        const answer = await this.#ask(url, signal);
        const next = nextOf(answer, url);
        if (next === null) return { status: answer.status, body: await this.#body(answer, url, signal) };
        await answer.body?.cancel();
        url = next;
      } finally {
        release();
      }
    }
    throw new Fault("failed", `${placeOf(first)} leads on more than ${this.#limits.hopsMax} times.`);
  }

  /** One request to one of the addresses that were checked. */
  async #ask(url: URL, signal: AbortSignal): Promise<Response> {
    let trouble: unknown;
    for (const address of await this.#addressesOf(url, signal)) {
      try {
        return await this.#askAt(address, url, signal);
      } catch (error) {
        signal.throwIfAborted();
        trouble = error;
      }
    }
    throw new Fault("unreachable", `${placeOf(url)} did not answer${codeOf(trouble)}.`, {
      cause: trouble,
    });
  }

  #askAt(address: string, url: URL, signal: AbortSignal): Promise<Response> {
    const { version, ca } = this.#options;
    const pinned = new URL(url);
    pinned.hostname = address.includes(":") ? `[${address}]` : address;
    const isName = isIP(bareHost(url)) === 0;
    return fetch(pinned, {
      headers: { host: url.host, accept: "*/*", "user-agent": `qntx/${version}` },
      redirect: "manual",
      decompress: false, // A kilobyte may be a gigabyte.
      keepalive: false, // A connection belongs to the name that it was made for.
      signal,
      ...(url.protocol === "https:" && {
        tls: { ...(isName && { serverName: url.hostname }), ...(ca !== undefined && { ca }) },
      }),
    });
  }

  /** Where to connect to. Every address of the name is checked: one that mixes is not one to trust. */
  async #addressesOf(url: URL, signal: AbortSignal): Promise<readonly string[]> {
    const host = bareHost(url);
    const addresses = isIP(host) ? [host] : await this.#resolve(host, signal);
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    for (const address of addresses) if (!this.#isAllowed(address, port)) throw refused(url, address, port);
    return addresses.slice(0, ADDRESSES_MAX);
  }

  async #resolve(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const resolve = this.#options.resolve ?? lookUp;
    const cut = Promise.withResolvers<never>();
    const abort = () => cut.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      const found = await Promise.race([resolve(host), cut.promise]);
      if (found.length > 0) return found;
    } catch {
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener("abort", abort);
    }
    throw new Fault("unreachable", `There is no host ${shown(host)}.`);
  }

  #isAllowed(address: string, port: number): boolean {
    const ip = parseIp(address);
    if (!ip) return false;
    if (isPublic(ip)) return true;
    return this.#options.allowed.some(
      (range) => (range.port === null || range.port === port) && holds(range, ip),
    );
  }

  async #body(answer: Response, url: URL, signal: AbortSignal): Promise<string> {
    try {
      return await this.#read(answer, url);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Fault) throw error;
      throw new Fault("unreachable", `The answer of ${placeOf(url)} broke off${codeOf(error)}.`, {
        cause: error,
      });
    }
  }

  async #read(answer: Response, url: URL): Promise<string> {
    const { bytesMax } = this.#limits;
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of answer.body ?? []) {
      bytes += piece.length;
      if (bytes > bytesMax)
        throw new Fault("failed", `${placeOf(url)} answered with more than ${bytesMax / 1_048_576} MiB.`);
      pieces.push(piece);
    }
    return decoderOf(answer).decode(Buffer.concat(pieces));
  }
}

async function lookUp(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (!url) throw fieldFault("url", `${shown(text)} is no address of the web.`);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new Fault("denied", `url: ${shown(url.protocol)} is not fetched; http: and https: are.`);
  if (url.username !== "" || url.password !== "")
    throw new Fault("denied", "url: a name and a password in an address are not sent.");
  return url;
}

/** Where an answer leads on; null when it is the one. */
function nextOf(answer: Response, from: URL): URL | null {
  const location = REDIRECTS.has(answer.status) ? answer.headers.get("location") : null;
  if (location === null) return null;
  const next = URL.parse(location, from.href);
  if (!next)
    throw new Fault("failed", `${placeOf(from)} leads on to ${shown(location)}, which is no address.`);
  return parseUrl(next.href);
}

/** Without what may be secret: the path, the query. */
function placeOf({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

/** Such as ` (ECONNREFUSED)`: the runtime's own sentence asks questions. */
function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? ` (${code})` : "";
}

function refused(url: URL, address: string, port: number): Fault {
  const who = bareHost(url) === address ? placeOf(url) : `${placeOf(url)} is ${address}, which`;
  const at = `${address.includes(":") ? `[${address}]` : address}:${port}`;
  return new Fault("denied", `${who} is not on the public internet.`, {
    hint: `Allow it in qntx.toml, under [fetch]: allowed_private_addresses = ["${at}"]`,
  });
}

/** The text encoding that the answer names; UTF-8 when it names none that is known. */
function decoderOf(answer: Response): { decode(bytes: Uint8Array): string } {
  const [, charset] = /charset="?([^";\s]+)/i.exec(answer.headers.get("content-type") ?? "") ?? [];
  try {
    return new TextDecoder(charset as Bun.Encoding | undefined);
  } catch {
    return new TextDecoder();
  }
}
