/**
 * Attestation: a statement "subjects have predicates in contexts, say actors",
 * with attributes. Attestations are never changed; a newer one about the same
 * subject stands in front of the older.
 */
import type { Millis } from "../base/env.ts";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Attestation {
  id: string;
  /** Whose it is; empty for the host's own. */
  tenant: string;
  subjects: readonly string[];
  predicates: readonly string[];
  contexts: readonly string[];
  actors: readonly string[];
  /** When it became true, as its maker says. */
  timestamp: Millis;
  source: string;
  attributes: Record<string, Json>;
  /** When it was written here. */
  createdAt: Millis;
}

/** Any of the values inside a field, all fields together, exact match. An empty field matches everything. */
export interface AttestationFilter {
  /** Absent: of all tenants. */
  tenant?: string | undefined;
  subjects?: readonly string[] | undefined;
  predicates?: readonly string[] | undefined;
  contexts?: readonly string[] | undefined;
  actors?: readonly string[] | undefined;
  timeStart?: Millis | undefined;
  timeEnd?: Millis | undefined;
  limit?: number | undefined;
}

/** Stands for "nothing said", as in QNTX. */
export const UNSAID = "_";
/** The predicate of saved scripts, which the plugin of their language runs. */
export const HANDLER_PREDICATE = "handler";
export const ATTRIBUTES_BYTES_MAX = 1_048_576; // A statement, not a file store.
export const ATTESTATION_VALUES_MAX = 256; // Per field.
export const ATTESTATION_TEXT_MAX = 1_024; // Characters of one value: an index key.

/** True when the attestation is one that the filter asks for. */
export function matches(attestation: Attestation, filter: AttestationFilter): boolean {
  const any = (wanted: readonly string[] | undefined, has: readonly string[]) =>
    wanted === undefined || wanted.length === 0 || wanted.some((value) => has.includes(value));
  return (
    (filter.tenant === undefined || filter.tenant === attestation.tenant) &&
    any(filter.subjects, attestation.subjects) &&
    any(filter.predicates, attestation.predicates) &&
    any(filter.contexts, attestation.contexts) &&
    any(filter.actors, attestation.actors) &&
    (filter.timeStart === undefined || attestation.timestamp >= filter.timeStart) &&
    (filter.timeEnd === undefined || attestation.timestamp <= filter.timeEnd)
  );
}
