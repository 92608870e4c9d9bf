/**
 * Memory: what earlier runs have done, kept in attestations of the plugin's own.
 *
 * `<repository> ingested` holds the frontier of the commits that were read, how
 * far back (`since`), and a digest of the refs. It only saves work: whether a
 * commit is written is always asked of the attestations themselves, so a lost
 * or half-written memory costs time and never a double.
 */
import type { Attestations, NewAttestation } from "../../../sdk/typescript/qntx.ts";

export interface Memory {
  /** Commits whose whole past, as far back as this run wants it, has been read. */
  heads: readonly string[];
  /** Of the refs as they were last written; empty when nothing was. */
  refsDigest: string;
}

const MEMORIES_READ = 20; // Runs with another `since` may stand in front of the one that fits.

/** Recalls what is known of a repository, for a run that goes back to `since`. */
export async function recall(
  ats: Attestations,
  identity: string,
  since: string | undefined,
): Promise<Memory> {
  const filter = { subjects: [identity], predicates: ["ingested"], contexts: [identity] };
  const found = await ats.query({ ...filter, limit: MEMORIES_READ });
  const attributes = found.map((attestation) => attestation.attributes);
  const deepEnough = attributes.find((past) => reaches(past["since"], since));
  return { heads: texts(deepEnough?.["heads"]), refsDigest: String(attributes[0]?.["refsDigest"] ?? "") };
}

/** The attestation that a later `recall` reads. */
export function remembering(identity: string, since: string | undefined, memory: Memory): NewAttestation {
  return {
    subjects: [identity],
    predicates: ["ingested"],
    contexts: [identity],
    actors: ["ixgest"],
    attributes: { heads: memory.heads, since: since ?? null, refsDigest: memory.refsDigest },
  };
}

/** True when a run back to `past` has read all that a run back to `since` wants. Both are ISO texts in UTC. */
function reaches(past: unknown, since: string | undefined): boolean {
  if (past === null) return true;
  return typeof past === "string" && since !== undefined && past <= since;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === "string") : [];
}
