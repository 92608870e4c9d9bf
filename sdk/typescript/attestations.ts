/**
 * Attestations: `host.ats`. QNTX's own service, whose errors are an answer with
 * `success` false, plus our stream of what is newly made.
 *
 * A watch outlives its stream: when the stream breaks it is opened again, and
 * what was made in between is asked for and handed over once.
 */
import type { ClientReadableStream, Metadata } from "@grpc/grpc-js";
import type {
  Attestation as WireAttestation,
  AttestationCommand,
  AttestationFilter as WireFilter,
  ATSStoreServiceClient,
} from "../../proto/gen/protocol/atsstore.ts";
import type { HostServiceClient } from "../../proto/gen/qntx/v1/host.ts";
import { ask, HostError } from "./call.ts";
import type { Attestation, AttestationFilter, Attestations, JobLog, NewAttestation } from "./qntx.ts";

const BATCH = 500; // Attestations per call: a message of some hundred kilobytes.
const REOPEN_MS = 200; // A host that restarts is back within a second or two.
const REOPEN_MAX_MS = 5_000;
const SETTLED_MS = 1_000; // A host that says nothing when a watch stands has made it stand by then.
const GAP_MAX = 1_000; // Attestations asked for after a broken stream; more than that is a reload, not a gap.

export interface AttestationClients {
  ats: ATSStoreServiceClient;
  service: HostServiceClient;
  metadata: Metadata;
  token: string;
  log: JobLog;
}

/** Makes `host.ats`. */
export function createAttestations(clients: AttestationClients): Attestations {
  const { ats, metadata, token: authToken } = clients;
  const query = async (filter: AttestationFilter) => {
    const request = { authToken, filter: wireFilter(filter) };
    const answer = await ask(ats.getAttestations.bind(ats), request, metadata);
    refuse(answer);
    return answer.attestations.map(readAttestation);
  };
  return {
    query,
    async create(attestation) {
      const request = { authToken, command: wireCommand(attestation) };
      const answer = await ask(ats.generateAndCreateAttestation.bind(ats), request, metadata);
      refuse(answer);
      if (!answer.attestation) throw new HostError("INTERNAL", "The host did not say what it attested.");
      return readAttestation(answer.attestation);
    },
    async createMany(attestations) {
      let created = 0;
      for (let at = 0; at < attestations.length; at += BATCH) {
        const commands = attestations.slice(at, at + BATCH).map(wireCommand);
        const request = { authToken, commands };
        const answer = await ask(ats.batchGenerateAndCreateAttestations.bind(ats), request, metadata);
        refuse(answer);
        created += answer.created;
      }
      return created;
    },
    async exists(id) {
      return (await ask(ats.attestationExists.bind(ats), { authToken, id }, metadata)).exists;
    },
    watch: (filter, signal) => new Watch(clients, query, filter, signal),
  };
}

/** One `watch`: from the moment it is made until its signal or its reader ends it. */
class Watch implements AsyncIterable<Attestation> {
  readonly #clients: AttestationClients;
  readonly #query: Attestations["query"];
  readonly #filter: AttestationFilter;
  readonly #end = new AbortController();
  readonly #waiting: Attestation[] = [];
  /** Ids of the newest instant seen: what a resumed watch may meet again. */
  readonly #seen = new Set<string>();
  #since = Date.now();
  #wake = () => {};
  #call: ClientReadableStream<WireAttestation> | undefined;
  #failures = 0;

  constructor(
    clients: AttestationClients,
    query: Attestations["query"],
    filter: AttestationFilter,
    signal: AbortSignal | undefined,
  ) {
    this.#clients = clients;
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
    this.#call?.cancel();
    this.#wake();
  }

  #open(again: boolean): void {
    if (this.#end.signal.aborted) return;
    const { service, metadata } = this.#clients;
    const call = service.watchAttestations({ filter: wireFilter(this.#filter) }, metadata);
    this.#call = call;
    // Our host answers its headers when the watch stands. Only then is the gap closed for good.
    const stands = () => {
      clearTimeout(settled);
      this.#failures = 0;
      if (again) void this.#fillGap();
    };
    const settled = setTimeout(stands, SETTLED_MS);
    settled.unref();
    const broke = (why: string) => {
      clearTimeout(settled);
      if (this.#call === call) this.#reopen(why); // "error" and "end" both come; the first one counts.
    };
    call.on("metadata", stands);
    call.on("data", (attestation) => this.#take(readAttestation(attestation)));
    call.on("error", (error) => broke(error.message));
    call.on("end", () => broke("the host ended it"));
  }

  #reopen(why: string): void {
    if (this.#end.signal.aborted) return;
    this.#call = undefined;
    const delayMs = Math.min(REOPEN_MAX_MS, REOPEN_MS * 2 ** this.#failures++);
    this.#clients.log.debug("a watch of attestations broke and is opened again", { why, delayMs });
    setTimeout(() => this.#open(true), delayMs).unref();
  }

  async #fillGap(): Promise<void> {
    const since = this.#since;
    try {
      const newest = await this.#query({ ...this.#filter, limit: GAP_MAX });
      for (const attestation of newest.toReversed())
        if (attestation.createdAt >= since) this.#take(attestation);
    } catch (error) {
      this.#clients.log.warn("what was attested while a watch was broken could not be read", {
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

function wireFilter(filter: AttestationFilter): WireFilter {
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
  return {
    subjects: attestation.subjects,
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
