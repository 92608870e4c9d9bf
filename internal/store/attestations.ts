/** The seam of attestations. */
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

export interface AttestationStore {
  /** Writes statements; one whose id its tenant has already is left as it is. Returns those that were written. */
  create(attestations: readonly NewAttestation[]): Promise<Attestation[]>;
  get(id: string, tenant: string): Promise<Attestation | null>;
  /** Last written first. */
  query(filter: AttestationFilter): Promise<Attestation[]>;
  count(): Promise<number>;
}
