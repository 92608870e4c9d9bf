/**
 * Request: what somebody asks to be polled, read once at the door.
 *
 * The same words come from `POST /polls`, which also says how often, and back
 * as the payload of each job that the schedule makes. A poll's id is made of
 * its words, so that the same words are the same poll.
 */
import { type Mapping, parseMapping, type Problem } from "./mapping.ts";

/** What a job needs to know. */
export interface PollSpec {
  url: string;
  /** Tells apart two polls of the same words. */
  name: string;
  /** As it was written; null for the whole document. */
  mapping: Record<string, unknown> | null;
  /** Sent with each request. They are kept in the schedule only, never in an attestation. */
  headers: Record<string, string>;
}

export interface PollRequest extends PollSpec {
  /** "30s", "5m". */
  every: string;
}

export interface ReadPoll<T> {
  value: T;
  mapping: Mapping | undefined;
  problems: readonly Problem[];
}

const URL_CHARS_MAX = 1_000; // It becomes a subject, which holds 1,024.
const NAME_CHARS_MAX = 100; // A line of a list.
const HEADERS_MAX = 20; // More is a mistake.
const HEADER_CHARS_MAX = 4_096; // A long bearer token.
const INTERVAL_SECONDS_MAX = 31_536_000; // A year.
const SPEC_FIELDS = ["url", "name", "mapping", "headers"];
// The connection is fetch's own business.
const HEADERS_REFUSED = [
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "te",
  "trailer",
];

/** Reads what `POST /polls` was sent. */
export function readPollRequest(body: unknown): ReadPoll<PollRequest> {
  const problems: Problem[] = [];
  const fields = fieldsOf(body, [...SPEC_FIELDS, "every", "intervalSeconds"], problems);
  const { value, mapping } = readSpec(fields, problems);
  const every = readEvery(fields["every"], fields["intervalSeconds"], problems);
  return { value: { ...value, every }, mapping, problems };
}

/** Reads the payload of a job of `ix-json.poll`. */
export function readPayload(payload: unknown): ReadPoll<PollSpec> {
  const problems: Problem[] = [];
  return { ...readSpec(fieldsOf(payload, SPEC_FIELDS, problems), problems), problems };
}

/** The id of a poll: the same words give the same id, in whatever order they come. */
export function pollIdOf({ url, name, mapping }: PollSpec): string {
  const digest = new Bun.CryptoHasher("sha256").update(canonical([url, name, mapping])).digest("hex");
  return `poll-${digest.slice(0, 16)}`;
}

const DEPTH_MAX = 100; // Deeper than documents, shallower than a stack.

/** Writes JSON with the fields of objects in order. Throws for a value nested deeper than `DEPTH_MAX`. */
export function canonical(value: unknown, depth = 0): string {
  if (depth > DEPTH_MAX) throw new RangeError(`a value is nested deeper than ${DEPTH_MAX} levels`);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map((one) => canonical(one, depth + 1)).join(",")}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one, depth + 1)}`).join(",")}}`;
}

function fieldsOf(body: unknown, known: readonly string[], problems: Problem[]): Record<string, unknown> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    problems.push({ field: "body", message: 'must be an object like {"url": "https://…", "every": "5m"}' });
    return {};
  }
  for (const key of Object.keys(body)) {
    if (!known.includes(key)) problems.push({ field: key, message: `is not one of ${known.join(", ")}` });
  }
  return { ...body };
}

function readSpec(
  fields: Record<string, unknown>,
  problems: Problem[],
): Omit<ReadPoll<PollSpec>, "problems"> {
  const { mapping } = fields;
  const absent = mapping === undefined || mapping === null;
  const parsed = absent ? undefined : parseMapping(mapping, problems);
  const value = {
    url: readUrl(fields["url"], problems),
    name: readName(fields["name"], problems),
    mapping: parsed && typeof mapping === "object" ? { ...mapping } : null,
    headers: readHeaders(fields["headers"], problems),
  };
  return { value, mapping: parsed };
}

function readUrl(value: unknown, problems: Problem[]): string {
  const problem = urlProblem(value);
  if (problem === undefined) return new URL(String(value)).href;
  problems.push({ field: "url", message: problem });
  return "";
}

/** What keeps a text from being an address to poll; undefined when nothing does. */
export function urlProblem(value: unknown): string | undefined {
  if (typeof value !== "string" || !URL.canParse(value))
    return 'must be an address like "https://example.org/items.json"';
  const url = new URL(value);
  if (url.protocol !== "http:" && url.protocol !== "https:") return "must start with http:// or https://";
  if (url.username !== "" || url.password !== "") return "carries a login; send it as a header";
  return url.href.length > URL_CHARS_MAX ? `is longer than ${URL_CHARS_MAX} characters` : undefined;
}

function readName(value: unknown, problems: Problem[]): string {
  if (value === undefined) return "";
  if (typeof value === "string" && value.length <= NAME_CHARS_MAX) return value.trim();
  problems.push({ field: "name", message: `must be a text of at most ${NAME_CHARS_MAX} characters` });
  return "";
}

function readHeaders(value: unknown, problems: Problem[]): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    problems.push({ field: "headers", message: 'must be an object like {"authorization": "Bearer …"}' });
    return {};
  }
  const entries = Object.entries(value).map(([name, text]): [string, string] => {
    const problem = headerProblem(name, text);
    if (problem) problems.push({ field: `headers.${name}`, message: problem });
    return [name.toLowerCase(), String(text)];
  });
  if (entries.length > HEADERS_MAX)
    problems.push({ field: "headers", message: `has more than ${HEADERS_MAX} names` });
  return Object.fromEntries(entries);
}

function headerProblem(name: string, value: unknown): string | undefined {
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name)) return "is not the name of a header";
  if (HEADERS_REFUSED.includes(name.toLowerCase())) return "cannot be set";
  const fits =
    typeof value === "string" && value.length <= HEADER_CHARS_MAX && /^[\t\x20-\x7e]*$/.test(value);
  return fits ? undefined : `must be a text of at most ${HEADER_CHARS_MAX} ASCII characters on one line`;
}

function readEvery(every: unknown, intervalSeconds: unknown, problems: Problem[]): string {
  if ((every === undefined) === (intervalSeconds === undefined)) {
    problems.push({
      field: "every",
      message: 'is how often, like "5m"; give it or intervalSeconds, and not both',
    });
    return "";
  }
  if (intervalSeconds === undefined) return readDuration(every, problems);
  const seconds = Number.isInteger(intervalSeconds) ? Number(intervalSeconds) : 0;
  if (seconds < 1 || seconds > INTERVAL_SECONDS_MAX) {
    problems.push({
      field: "intervalSeconds",
      message: `must be a whole number from 1 to ${INTERVAL_SECONDS_MAX}`,
    });
  }
  return `${seconds}s`;
}

/** Only the shape; how short it may be is the host's to say. */
function readDuration(every: unknown, problems: Problem[]): string {
  if (typeof every === "string" && every.length <= 64 && /^(\d+(ms|[wdhms]))+$/.test(every)) return every;
  problems.push({ field: "every", message: 'must be a duration like "30s", "5m" or "1h30m"' });
  return "";
}
