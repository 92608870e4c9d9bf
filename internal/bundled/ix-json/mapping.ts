/**
 * Mapping: how a JSON document becomes items, each of them one attestation.
 *
 * ```json
 * {
 *   "items": "$.items[*]",
 *   "subject": "$.id",
 *   "predicate": "price",
 *   "context": "$.shop",
 *   "attributes": { "price": "$.price.amount", "tags": "$.tags[*]" }
 * }
 * ```
 *
 * `items` points into the document; every other path points into one item.
 * `predicate` and `context` are a path or a text. Without `attributes` the item
 * is kept whole, as the attribute `value`. Without a mapping the document is
 * the only item, and its URL is the subject.
 */
import { parsePath, readPath, type Step } from "./json-path.ts";

/** What is wrong with one field of a request. */
export interface Problem {
  field: string;
  message: string;
}

export interface Mapping {
  items: readonly Step[];
  subject: readonly Step[];
  predicate: Text;
  context: Text;
  /** Undefined: the whole item. */
  attributes: readonly (readonly [name: string, path: readonly Step[]])[] | undefined;
}

type Text = { text: string } | { path: readonly Step[] };

/** What one attestation will say. */
export interface Item {
  subject: string;
  predicate: string;
  context: string;
  attributes: Record<string, unknown>;
}

const FIELDS = ["items", "subject", "predicate", "context", "attributes"];
const TEXT_CHARS_MAX = 1_000; // Subjects and contexts are index keys; the host takes 1,024.
const ATTRIBUTES_MAX = 200; // Named one by one; for more, keep the item whole.

/** Reads a mapping; adds what is wrong with it to `problems` and then answers undefined. */
export function parseMapping(value: unknown, problems: Problem[]): Mapping | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    problems.push({
      field: "mapping",
      message: 'must be an object like {"items": "$[*]", "subject": "$.id"}',
    });
    return undefined;
  }
  const before = problems.length;
  const fields: Record<string, unknown> = { ...value };
  for (const key of Object.keys(fields)) {
    if (!FIELDS.includes(key))
      problems.push({ field: `mapping.${key}`, message: `is not one of ${FIELDS.join(", ")}` });
  }
  const mapping = {
    items: pathOf(fields["items"], "mapping.items", problems),
    subject: pathOf(fields["subject"], "mapping.subject", problems),
    predicate: textOf(fields["predicate"], "item", "mapping.predicate", problems),
    context: textOf(fields["context"], "ix-json", "mapping.context", problems),
    attributes: attributesOf(fields["attributes"], problems),
  };
  return problems.length === before ? mapping : undefined;
}

/** Finds the items of a document. Those without a subject are counted, and nothing else. */
export function mapDocument(document: unknown, mapping: Mapping): { items: Item[]; nameless: number } {
  const found = readPath(document, mapping.items);
  const items = found.flatMap((value) => mapItem(value, mapping) ?? []);
  return { items, nameless: found.length - items.length };
}

/** The one item of a document that has no mapping. */
export function wholeDocument(document: unknown, url: string): Item {
  return { subject: url, predicate: "document", context: "ix-json", attributes: { value: document } };
}

function mapItem(value: unknown, mapping: Mapping): Item | undefined {
  const subject = wordOf(readPath(value, mapping.subject)[0]);
  if (subject === undefined) return undefined;
  return {
    subject,
    predicate: readText(value, mapping.predicate),
    context: readText(value, mapping.context),
    attributes: mapping.attributes
      ? Object.fromEntries(mapping.attributes.map(([name, path]) => [name, readAttribute(value, path)]))
      : { value },
  };
}

/** A path with a wildcard gives a list, another one its value or null. */
function readAttribute(value: unknown, path: readonly Step[]): unknown {
  const found = readPath(value, path);
  return path.includes("each") ? found : (found[0] ?? null);
}

function readText(value: unknown, text: Text): string {
  return "text" in text ? text.text : (wordOf(readPath(value, text.path)[0]) ?? "_"); // "Nothing said".
}

/** A value that can name something; undefined for others. */
function wordOf(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value !== "" && value.length <= TEXT_CHARS_MAX ? value : undefined;
}

function pathOf(value: unknown, field: string, problems: Problem[]): readonly Step[] {
  const parsed = typeof value === "string" ? parsePath(value) : { problem: 'must be a path like "$.id"' };
  if ("steps" in parsed) return parsed.steps;
  problems.push({ field, message: parsed.problem });
  return [];
}

function textOf(value: unknown, absent: string, field: string, problems: Problem[]): Text {
  if (value === undefined) return { text: absent };
  if (typeof value === "string" && value.startsWith("$")) return { path: pathOf(value, field, problems) };
  const text = wordOf(value);
  if (text === undefined)
    problems.push({ field, message: `must be a path or a text of 1 to ${TEXT_CHARS_MAX} characters` });
  return { text: text ?? absent };
}

function attributesOf(value: unknown, problems: Problem[]): Mapping["attributes"] {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    problems.push({ field: "mapping.attributes", message: 'must be an object like {"price": "$.price"}' });
    return undefined;
  }
  const entries = Object.entries(value);
  if (entries.length > ATTRIBUTES_MAX) {
    problems.push({ field: "mapping.attributes", message: `has more than ${ATTRIBUTES_MAX} names` });
  }
  if ("_hash" in value)
    problems.push({ field: "mapping.attributes._hash", message: "is kept for the poller itself" });
  return entries.map(([name, path]) => [name, pathOf(path, `mapping.attributes.${name}`, problems)] as const);
}
