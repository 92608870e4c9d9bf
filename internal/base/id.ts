/**
 * Ids: `JB_01JD…`: a prefix that names the noun, then 26 characters of Crockford
 * base 32 (48 bits of time, 80 of randomness), so that ids sort by the moment
 * they were made. Prefixes are time and collide; show people the last characters.
 */
import type { Env } from "./env.ts";

const TAIL_LENGTH = 16;
const IDS_AT_ONCE_MAX = 1_024; // The system gives 64 KiB of randomness at once.
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** What an id of ours looks like, whatever its prefix. */
export const ID_PATTERN = /^[A-Z]{2}_[0-9A-HJKMNP-TV-Z]{26}$/;

export type IdPrefix = "SC" | "JB" | "AS" | "ND" | "BT" | "AU" | "EV" | "BF" | "SL" | "WT";

/** Makes a new id. Two ids of one millisecond have no order between them. */
export function newId(env: Env, prefix: IdPrefix): string {
  return `${headOf(env, prefix)}${tails(env.bytes(TAIL_LENGTH))}`;
}

/** Makes so many ids at the price of few. They are in order, so that an index takes them in one place after the other. */
export function newIds(env: Env, prefix: IdPrefix, count: number): string[] {
  const head = headOf(env, prefix);
  const ids: string[] = [];
  while (ids.length < count) {
    const text = tails(env.bytes(TAIL_LENGTH * Math.min(IDS_AT_ONCE_MAX, count - ids.length)));
    for (let at = 0; at < text.length; at += TAIL_LENGTH) ids.push(head + text.slice(at, at + TAIL_LENGTH));
  }
  return ids.sort();
}

function headOf(env: Env, prefix: IdPrefix): string {
  let time = env.now();
  let head = "";
  for (let i = 0; i < 10; i++) {
    head = ALPHABET[time % 32] + head;
    time = Math.floor(time / 32);
  }
  return `${prefix}_${head}`;
}

function tails(random: Uint8Array): string {
  return Buffer.from(random.map((byte) => ALPHABET.charCodeAt(byte & 31))).toString("latin1");
}

/** How long the end of an id is that screens show. */
export const SHORT_ID_LENGTH = 8;

/** The end of an id: what tells it from its neighbours on a screen. */
export function shortId(id: string): string {
  return id.slice(-SHORT_ID_LENGTH);
}
