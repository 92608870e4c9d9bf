/**
 * Attestations: `host.ats`. QNTX's own service, whose errors are an answer with
 * `success` false, plus our stream of what is newly made.
 *
 * A watch outlives its stream: when the stream breaks it is opened again, and
 * what was made in between is asked for and handed over once.
 */
import {
  type Attestation as WireAttestation,
  type AttestationCommand,
  type AttestationFilter as WireFilter,
  ATSStoreServiceService as Store,
} from "../../proto/gen/protocol/atsstore.ts";
import { HostServiceService } from "../../proto/gen/qntx/v1/host.ts";
import type { Ask, HostLine } from "./call.ts";
import type { MessageStream } from "./channel.ts";
import { checkGiven, type Kind } from "./given.ts";
import { HostError } from "./host-error.ts";
import type { JobLog, Json } from "./qntx.ts";

export interface Attestation {
  id: string;
  subjects: string[];
  predicates: string[];
  contexts: string[];
  actors: string[];
  /** Milliseconds since 1970. */
  timestamp: number;
  source: string;
  attributes: Record<string, Json>;
  createdAt: number;
}

export interface NewAttestation {
  subjects: string[];
  predicates?: string[];
  contexts?: string[];
  actors?: string[];
  timestamp?: number;
  attributes?: Record<string, Json>;
}

export interface AttestationFilter {
  subjects?: string[];
  predicates?: string[];
  contexts?: string[];
  actors?: string[];
  timeStart?: number;
  timeEnd?: number;
  limit?: number;
}

export interface Attestations {
  create(attestation: NewAttestation): Promise<Attestation>;
  /** Resolves with how many were written. */
  createMany(attestations: readonly NewAttestation[]): Promise<number>;
  /** Newest first. */
  query(filter: AttestationFilter): Promise<Attestation[]>;
  exists(id: string): Promise<boolean>;
  /** Attestations that match, as they are made, until the signal ends it. */
  watch(filter: AttestationFilter, signal?: AbortSignal): AsyncIterable<Attestation>;
}

const BATCH = 500; // Attestations per call: a message of some hundred kilobytes.
const REOPEN_MS = 200; // A host that restarts is back within a second or two.
const REOPEN_MAX_MS = 5_000;
const SETTLED_MS = 1_000; // A host that says nothing when a watch stands has made it stand by then.
const GAP_MAX = 1_000; // Attestations asked for after a broken stream; more than that is a reload, not a gap.

/** How the host is asked, and watched. */
export interface AttestationCalls {
  ask: Ask;
  line: HostLine;
  log: JobLog;
}

/** Makes `host.ats`. */
export function createAttestations(calls: AttestationCalls): Attestations {
  const { ask, line } = calls;
  const query = async (filter: AttestationFilter) => {
    const request = { authToken: line.token, filter: wireFilter(filter) };
    const answer = await ask(Store.getAttestations, request);
    refuse(answer);
    return answer.attestations.map(readAttestation);
  };
  return {
    query,
    async create(attestation) {
      const request = { authToken: line.token, command: wireCommand(attestation) };
      const answer = await ask(Store.generateAndCreateAttestation, request);
      refuse(answer);
      if (!answer.attestation) throw new HostError("INTERNAL", "The host did not say what it attested.");
      return readAttestation(answer.attestation);
    },
    async createMany(attestations) {
      let created = 0;
      for (let at = 0; at < attestations.length; at += BATCH) {
        const commands = attestations.slice(at, at + BATCH).map(wireCommand);
        const request = { authToken: line.token, commands };
        const answer = await ask(Store.batchGenerateAndCreateAttestations, request);
        refuse(answer);
        created += answer.created;
      }
      return created;
    },
    async exists(id) {
      return (await ask(Store.attestationExists, { authToken: line.token, id })).exists;
    },
    watch: (filter, signal) => new Watch(calls, query, filter, signal),
  };
}

/** One `watch`: from the moment it is made until its signal or its reader ends it. */
class Watch implements AsyncIterable<Attestation> {
  readonly #calls: AttestationCalls;
  readonly #query: Attestations["query"];
  readonly #filter: AttestationFilter;
  readonly #end = new AbortController();
  readonly #waiting: Attestation[] = [];
  /** Ids of the newest instant seen: what a resumed watch may meet again. */
  readonly #seen = new Set<string>();
  #since = Date.now();
  #wake = () => {};
  #stream: MessageStream<unknown> | undefined;
  #failures = 0;

  constructor(
    calls: AttestationCalls,
    query: Attestations["query"],
    filter: AttestationFilter,
    signal: AbortSignal | undefined,
  ) {
    this.#calls = calls;
    this.#query = query;
    this.#filter = filter;
    const end = () => this.#stop();
    if (signal?.aborted) this.#stop();
    else {
      signal?.addEventListener("abort", end, { once: true });
      this.#end.signal.addEventListener("abort", () => signal?.removeEventListener("abort", end));
      this.#open(false);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Attestation> {
    try {
      while (true) {
        for (const attestation of this.#waiting.splice(0)) yield attestation;
        if (this.#waiting.length > 0) continue;
        if (this.#end.signal.aborted) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#stop();
    }
  }

  #stop(): void {
    this.#end.abort();
    this.#stream?.cancel();
    this.#wake();
  }

  #open(again: boolean): void {
    if (this.#end.signal.aborted) return;
    const { channel, headers } = this.#calls.line;
    // Our host answers its headers when the watch stands. Only then is the gap closed for good.
    const stands = () => {
      clearTimeout(settled);
      this.#failures = 0;
      if (again) void this.#fillGap();
    };
    const settled = setTimeout(stands, SETTLED_MS);
    settled.unref();
    const ended = (why: string) => {
      clearTimeout(settled);
      this.#reopen(why);
    };
    const message = (attestation: WireAttestation) => this.#take(readAttestation(attestation));
    const events = { opened: stands, message, ended, drained() {} };
    try {
      const stream = channel.stream(HostServiceService.watchAttestations, events, { headers });
      stream.write({ filter: wireFilter(this.#filter) });
      stream.end();
      this.#stream = stream;
    } catch (error) {
      ended(String(error)); // A connection that breaks in this moment.
    }
  }

  #reopen(why: string): void {
    if (this.#end.signal.aborted) return;
    this.#stream = undefined;
    const delayMs = Math.min(REOPEN_MAX_MS, REOPEN_MS * 2 ** this.#failures++);
    this.#calls.log.debug("a watch of attestations broke and is opened again", { why, delayMs });
    setTimeout(() => this.#open(true), delayMs).unref();
  }

  async #fillGap(): Promise<void> {
    const since = this.#since;
    try {
      const newest = await this.#query({ ...this.#filter, limit: GAP_MAX });
      for (const attestation of newest.toReversed())
        if (attestation.createdAt >= since) this.#take(attestation);
    } catch (error) {
      this.#calls.log.warn("what was attested while a watch was broken could not be read", {
        why: String(error),
      });
    }
  }

  #take(attestation: Attestation): void {
    if (this.#seen.has(attestation.id)) return;
    if (attestation.createdAt > this.#since) {
      this.#since = attestation.createdAt;
      if (this.#seen.size > GAP_MAX) this.#seen.clear();
    }
    this.#seen.add(attestation.id);
    this.#waiting.push(attestation);
    this.#wake();
  }
}

function refuse({ success, error }: { success: boolean; error: string }): void {
  if (!success) throw new HostError("UNKNOWN", error || "The host refused it without saying why.");
}

const WHO = { subjects: "texts", predicates: "texts", contexts: "texts", actors: "texts" } as const;
const FILTER: Readonly<Record<keyof AttestationFilter, Kind>> = {
  ...WHO,
  timeStart: "whole",
  timeEnd: "whole",
  limit: "small",
};
const NEW: Readonly<Record<keyof NewAttestation, Kind>> = { ...WHO, timestamp: "whole", attributes: "json" };

function wireFilter(filter: AttestationFilter): WireFilter {
  checkGiven("a filter of attestations", filter, FILTER);
  return {
    subjects: filter.subjects ?? [],
    predicates: filter.predicates ?? [],
    contexts: filter.contexts ?? [],
    actors: filter.actors ?? [],
    timeStart: filter.timeStart,
    timeEnd: filter.timeEnd,
    limit: filter.limit,
  };
}

function wireCommand(attestation: NewAttestation): AttestationCommand {
  checkGiven("a new attestation", attestation, NEW);
  return {
    subjects: attestation.subjects ?? [],
    predicates: attestation.predicates ?? [],
    contexts: attestation.contexts ?? [],
    actors: attestation.actors ?? [],
    timestamp: attestation.timestamp,
    attributes: attestation.attributes,
    source: "",
    sourceVersion: "",
  };
}

function readAttestation(attestation: WireAttestation): Attestation {
  const { id, subjects, predicates, contexts, actors, timestamp, source, createdAt } = attestation;
  const attributes = attestation.attributes ?? {};
  return { id, subjects, predicates, contexts, actors, timestamp, source, attributes, createdAt };
}
