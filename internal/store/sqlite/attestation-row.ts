/** A row of the attestation table, and the statement it stands for. Our own database is trusted. */
import type { Attestation, Json } from "../../ats/attestation.ts";

export interface AttestationRow {
  seq: number;
  id: string;
  tenant: string;
  subjects: string;
  predicates: string;
  contexts: string;
  actors: string;
  timestamp: number;
  source: string;
  attributes: string;
  created_at: number;
}

/** Reads a row. */
export function readAttestation(row: AttestationRow): Attestation {
  return {
    id: row.id,
    tenant: row.tenant,
    subjects: JSON.parse(row.subjects) as string[],
    predicates: JSON.parse(row.predicates) as string[],
    contexts: JSON.parse(row.contexts) as string[],
    actors: JSON.parse(row.actors) as string[],
    timestamp: row.timestamp,
    source: row.source,
    attributes: JSON.parse(row.attributes) as Record<string, Json>,
    createdAt: row.created_at,
  };
}
