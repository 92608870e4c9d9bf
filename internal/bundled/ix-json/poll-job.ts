/**
 * Poll job: one run of a poll. Downloads, maps, and writes what has changed.
 *
 * The poll's id is the actor of everything that it writes; so the newest
 * attestation of a subject by that actor is what it saw last, and its hash
 * tells whether there is anything new to say.
 */
import {
  type Attestations,
  type Job,
  type NewAttestation,
  PermanentError,
} from "../../../sdk/typescript/qntx.ts";
import { newestOf } from "../newest.ts";
import { download, DOWNLOAD_TIMEOUT_MS } from "./download.ts";
import { type Item, mapDocument, wholeDocument } from "./mapping.ts";
import { canonical, pollIdOf, readPayload } from "./request.ts";

/** What a job of `ix-json.poll` answers. */
export interface PollResult {
  /** Found in the document. */
  items: number;
  written: number;
  unchanged: number;
  /** Of the HTTP answer. */
  status: number;
}

const ITEMS_MAX = 10_000; // 5 MiB of items of half a kilobyte.
const ITEM_CHARS_MAX = 262_144; // Four bytes each at worst is the host's 1 MiB for one attestation.
const BATCH_ITEMS_MAX = 200; // One call carries so many …
const BATCH_CHARS_MAX = 524_288; // … and no more than this, far below what a call may weigh.

/** Runs `ix-json.poll`. */
export async function poll(job: Job): Promise<PollResult> {
  const { value: spec, mapping, problems } = readPayload(job.payload);
  const [problem] = problems;
  if (problem) throw new PermanentError(`${problem.field}: ${problem.message}.`);
  const { url, headers } = spec;
  const { status, document } = await download({
    url,
    headers,
    signal: job.signal,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
  });
  const mapped = mapping
    ? mapDocument(document, mapping)
    : { items: [wholeDocument(document, url)], nameless: 0 };
  const items = accept(mapped, job);
  const changed = await changedOf(job.qntx.ats, items, pollIdOf(spec));
  job.log(`${url} answered ${status}: ${items.length} items, ${changed.length} of them new`);
  await write(job, changed);
  return { items: items.length, written: changed.length, unchanged: items.length - changed.length, status };
}

/** Checks what was found, and says what of it is left out. */
function accept({ items, nameless }: ReturnType<typeof mapDocument>, job: Job): Item[] {
  if (nameless > 0 && items.length === 0) {
    throw new PermanentError(
      `mapping.subject: none of the ${nameless} items has a value there that can be a name.`,
    );
  }
  if (items.length > ITEMS_MAX) {
    throw new PermanentError(`mapping.items: ${items.length} items were found; ${ITEMS_MAX} are the most.`);
  }
  if (nameless > 0) job.log.warn("items without a subject are left out", { count: nameless });
  const last = new Map(items.map((item) => [item.subject, item]));
  const doubles = items.length - last.size;
  if (doubles > 0) job.log.warn("items with the subject of a later one are left out", { count: doubles });
  return [...last.values()];
}

interface Statement {
  attestation: NewAttestation;
  chars: number;
}

async function changedOf(ats: Attestations, items: readonly Item[], pollId: string): Promise<Statement[]> {
  const newest = await newestOf(
    ats,
    items.map((item) => item.subject),
    { actors: [pollId] },
  );
  return items.flatMap((item) => {
    const content = contentOf(item);
    const hash = new Bun.CryptoHasher("sha256").update(content).digest("hex");
    if (newest.get(item.subject)?.attributes["_hash"] === hash) return [];
    return { attestation: statementOf(item, hash, pollId), chars: content.length };
  });
}

function contentOf({ subject, predicate, context, attributes }: Item): string {
  try {
    const content = canonical([predicate, context, attributes]);
    if (content.length <= ITEM_CHARS_MAX) return content;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new PermanentError(`${subject}: ${error.message}; name the attributes that matter in a mapping.`);
  }
  throw new PermanentError(
    `${subject} has more than ${ITEM_CHARS_MAX} characters; name the attributes that matter in a mapping.`,
  );
}

function statementOf(
  { subject, predicate, context, attributes }: Item,
  hash: string,
  pollId: string,
): NewAttestation {
  return {
    subjects: [subject],
    predicates: [predicate],
    contexts: [context],
    actors: [pollId],
    attributes: { ...attributes, _hash: hash },
  };
}

async function write(job: Job, statements: readonly Statement[]): Promise<void> {
  let batch: NewAttestation[] = [];
  let chars = 0;
  for (const [i, statement] of statements.entries()) {
    batch.push(statement.attestation);
    chars += statement.chars;
    const full = batch.length === BATCH_ITEMS_MAX || chars >= BATCH_CHARS_MAX;
    if (!full && i < statements.length - 1) continue;
    job.signal.throwIfAborted();
    await job.qntx.ats.createMany(batch);
    job.progress(i + 1, statements.length, "items");
    batch = [];
    chars = 0;
  }
}
