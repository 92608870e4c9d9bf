/**
 * Request: what a job of `ixgest.git` asks for, read once from its payload.
 *
 * ```json
 * { "repository": "/srv/app", "branches": ["main"], "since": "2025-01-01T00:00:00Z", "limit": 1000 }
 * ```
 *
 * Only `repository` is needed. `limit` is a portion, not a window: a run reads
 * at most so many commits, oldest first, and the next run goes on after them.
 */
import { PermanentError } from "../../../sdk/typescript/qntx.ts";

/** Where a repository is: a folder on this machine, or a URL that is fetched from. */
export type Address =
  { kind: "path"; path: string } | { kind: "url"; url: string; protocol: "file" | "https" };

export interface GitRequest {
  address: Address;
  /** Names of branches; empty means every branch and tag. */
  branches: readonly string[];
  /** Commits before this instant are left out. */
  since: string | undefined;
  limit: number;
}

export const COMMITS_MAX = 1_000_000; // One run. Linux has 1.4 million; two runs are no hardship.
const ADDRESS_CHARS_MAX = 1_000; // It becomes a context of attestations, which hold 1,024.
const BRANCHES_MAX = 1_000; // Beyond it, "every branch" is what was meant.
const FIELDS = ["repository", "branches", "since", "limit"];

/** Parses a payload. Throws a PermanentError that names the field. */
export function parseRequest(payload: unknown): GitRequest {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    throw refused("payload", 'must be an object like {"repository": "/srv/app"}');
  }
  const unknown = Object.keys(payload).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) throw refused(unknown, `is not a field; there are ${FIELDS.join(", ")}`);
  const { repository, branches, since, limit }: Record<string, unknown> = { ...payload };
  return {
    address: parseAddress(repository),
    branches: parseBranches(branches),
    since: parseSince(since),
    limit: parseLimit(limit),
  };
}

function parseAddress(value: unknown): Address {
  if (typeof value !== "string" || value === "") {
    throw refused("repository", "is missing: give a folder or an https:// address");
  }
  if (value.length > ADDRESS_CHARS_MAX)
    throw refused("repository", `is longer than ${ADDRESS_CHARS_MAX} characters`);
  if (/\p{Cc}/u.test(value)) throw refused("repository", "has control characters in it");
  if (value.startsWith("-"))
    throw refused("repository", `${value} starts with "-", which git reads as an option`);
  if (value.startsWith("/")) return { kind: "path", path: value };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return parseUrl(value);
  throw refused(
    "repository",
    `${value} is neither an absolute path nor an https:// or file:// address; for ssh, clone it yourself and give the path`,
  );
}

function parseUrl(text: string): Address {
  if (!URL.canParse(text)) throw refused("repository", `${text} is not a valid address`);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw refused(
      "repository",
      "carries a login, which a payload is no place for; clone it yourself and give the path",
    );
  }
  if (url.protocol !== "https:" && url.protocol !== "file:") {
    throw refused(
      "repository",
      `${text} is not https:// or file://; for others, clone it yourself and give the path`,
    );
  }
  return { kind: "url", url: url.href, protocol: url.protocol === "file:" ? "file" : "https" };
}

function parseBranches(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every((name) => typeof name === "string" && name !== "")) {
    throw refused("branches", 'must be a list of names like ["main"]');
  }
  if (value.length > BRANCHES_MAX)
    throw refused("branches", `has more than ${BRANCHES_MAX} names; leave it out for all`);
  return value;
}

const INSTANT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/; // Or a day, which begins in UTC.

function parseSince(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  // A time without its offset would be one of the zone in which this process happens to be.
  const ms = typeof value === "string" && INSTANT.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms) || ms < 0) {
    throw refused("since", `${JSON.stringify(value)} is not a date like "2025-01-01T00:00:00Z"`);
  }
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z"); // Git knows no parts of seconds.
}

function parseLimit(value: unknown): number {
  if (value === undefined || value === null) return COMMITS_MAX;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > COMMITS_MAX) {
    throw refused("limit", `${JSON.stringify(value)} is not a whole number from 1 to ${COMMITS_MAX}`);
  }
  return value;
}

function refused(field: string, problem: string): PermanentError {
  return new PermanentError(`${field}: ${problem}.`);
}
