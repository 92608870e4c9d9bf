/** The seam of attestations. */
import type { Exceeded, Metered } from "../access/quota.ts";
import type { Attestation, AttestationFilter, Json } from "../ats/attestation.ts";
import type { Millis } from "../base/env.ts";

export interface NewAttestation {
  id: string;
  /** Absent: the host's own. */
  tenant?: string;
  subjects: readonly string[];
  predicates: readonly string[];
  contexts: readonly string[];
  actors: readonly string[];
  timestamp: Millis | null;
  source: string;
  attributes: Record<string, Json>;
}

/** What a plugin has written, of what its quota limits. */
export interface AttestationUse {
  attestations: number;
  attestationBytes: number;
}

export interface AttestationStore {
  /** Writes statements; one whose id its tenant has already is left as it is. Returns those that were written. */
  create(attestations: readonly NewAttestation[]): Promise<Attestation[]>;
  /** The same for a plugin: counted, and all refused when they are too many. */
  createWithin(
    metered: Metered,
    attestations: readonly NewAttestation[],
  ): Promise<Attestation[] | { exceeded: Exceeded }>;
  quotaUse(who: Omit<Metered, "quota">): Promise<AttestationUse>;
  get(id: string, tenant: string): Promise<Attestation | null>;
  /** Last written first. */
  query(filter: AttestationFilter): Promise<Attestation[]>;
  count(): Promise<number>;
}
