/**
 * Digest: which file a plugin's process was started from, so that a job can say later
 * what ran it, also where somebody forgot to change the version.
 */
import { createHash } from "node:crypto";

const DIGITS = 16; // Of the SHA-256 in hex: enough to tell builds apart, and kept with every job.

/** The first digits of a file's SHA-256. Null when it cannot be read: then who starts it says why. */
export async function digestOf(path: string): Promise<string | null> {
  const hash = createHash("sha256");
  try {
    // In pieces: a program may be large, and others have their turn meanwhile.
    for await (const piece of Bun.file(path).stream()) hash.update(piece);
  } catch {
    return null;
  }
  return hash.digest("hex").slice(0, DIGITS);
}
