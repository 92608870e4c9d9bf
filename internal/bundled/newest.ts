/**
 * Newest: the attestation that stands in front for each of many subjects.
 *
 * One query per subject with a limit of one. A query for many subjects at once
 * would have to read all of their history to be sure that it holds the newest
 * of each; this reads one row per subject, whatever the history.
 */
import type { Attestation, AttestationFilter, Attestations } from "../../sdk/typescript/qntx.ts";

const QUERIES_AT_ONCE = 16; // Enough to hide the way to the host, few enough to leave it room for others.

/** Finds the newest attestation of each subject that the rest of the filter fits; subjects without one are absent. */
export async function newestOf(
  ats: Attestations,
  subjects: readonly string[],
  filter: Omit<AttestationFilter, "subjects" | "limit">,
): Promise<Map<string, Attestation>> {
  const found = new Map<string, Attestation>();
  for (let at = 0; at < subjects.length; at += QUERIES_AT_ONCE) {
    const asked = subjects.slice(at, at + QUERIES_AT_ONCE).map(async (subject) => {
      const [newest] = await ats.query({ ...filter, subjects: [subject], limit: 1 });
      if (newest) found.set(subject, newest);
    });
    await Promise.all(asked);
  }
  return found;
}
