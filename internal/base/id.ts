/**
 * Ids: `JB_01JD…`: a prefix that names the noun, then 26 characters of Crockford
 * base 32 (48 bits of time, 80 of randomness), so that ids sort by the moment
 * they were made. Prefixes are time and collide; show people the last characters.
 */
import type { Env } from "./env.ts";

const TAIL_LENGTH = 16;
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** What an id of ours looks like, whatever its prefix. */
export const ID_PATTERN = /^[A-Z]{2}_[0-9A-HJKMNP-TV-Z]{26}$/;

export type IdPrefix = "SC" | "JB" | "AS" | "ND" | "BT" | "AU" | "EV" | "BF" | "SL" | "WT";

/** Makes a new id. Two ids of one millisecond have no order between them. */
export function newId(env: Env, prefix: IdPrefix): string {
  let time = env.now();
  let head = "";
  for (let i = 0; i < 10; i++) {
    head = ALPHABET[time % 32] + head;
    time = Math.floor(time / 32);
  }
  const bytes = env.bytes(TAIL_LENGTH);
  let tail = "";
  for (let i = 0; i < TAIL_LENGTH; i++) tail += ALPHABET[(bytes[i] ?? 0) & 31];
  return `${prefix}_${head}${tail}`;
}

/** How long the end of an id is that screens show. */
export const SHORT_ID_LENGTH = 8;

/** The end of an id: what tells it from its neighbours on a screen. */
export function shortId(id: string): string {
  return id.slice(-SHORT_ID_LENGTH);
}
