/**
 * Download: one GET of a JSON document, with an end to everything: time, bytes,
 * redirects. Each way that it can fail says whether trying again makes sense.
 *
 * It fetches what its operator could fetch: addresses inside the network too.
 */
import { PermanentError, RetryAfterError } from "../../../sdk/typescript/qntx.ts";
import { urlProblem } from "./request.ts";

export interface DownloadRequest {
  url: string;
  headers: Record<string, string>;
  signal: AbortSignal;
  timeoutMs: number;
}

export interface Download {
  status: number;
  document: unknown;
}

export const DOWNLOAD_TIMEOUT_MS = 30_000; // Slower than this is down.
export const DOCUMENT_BYTES_MAX = 5_242_880; // 5 MiB, after decompression: a list, not an archive.
const REDIRECTS_MAX = 3; // http → https → www; a longer way leads in circles.
const RETRY_AFTER_MIN_MS = 1_000;
const RETRY_AFTER_MAX_MS = 86_400_000; // A day: nobody waits longer on a server's word.

/** Fetches a document. Throws PermanentError, RetryAfterError, or an error that the next try may mend. */
export async function download(request: DownloadRequest): Promise<Download> {
  const timeout = AbortSignal.timeout(request.timeoutMs);
  const signal = AbortSignal.any([request.signal, timeout]);
  try {
    const response = await follow(request, signal);
    await refuseStatus(response);
    return { status: response.status, document: parse(await readText(response), request.url) };
  } catch (error) {
    request.signal.throwIfAborted();
    if (timeout.aborted)
      throw new Error(`${request.url} did not answer within ${request.timeoutMs} ms.`, { cause: error });
    throw error;
  }
}

/** Asks, and asks again where it is sent. Headers stay with the origin that they are for. */
async function follow({ url, headers }: DownloadRequest, signal: AbortSignal): Promise<Response> {
  let at = url;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const sent = new URL(at).origin === new URL(url).origin ? headers : {};
    const response = await ask(at, sent, signal);
    const location = isRedirect(response.status) ? response.headers.get("location") : null;
    if (location === null) return response;
    await response.body?.cancel();
    at = nextOf(location, at);
  }
  throw new PermanentError(`${url} redirects more than ${REDIRECTS_MAX} times.`);
}

async function ask(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  try {
    const all = { accept: "application/json", "user-agent": "qntx-ix-json", ...headers };
    return await fetch(url, { headers: all, signal, redirect: "manual" });
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`${url} could not be reached: ${messageOf(error)}`, { cause: error });
  }
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

function nextOf(location: string, from: string): string {
  const next = URL.canParse(location, from) ? new URL(location, from).href : location;
  const problem = urlProblem(next);
  if (problem)
    throw new PermanentError(`${from} redirects to ${JSON.stringify(next.slice(0, 200))}, which ${problem}.`);
  return next;
}

async function refuseStatus(response: Response): Promise<void> {
  const { status, url, headers } = response;
  if (status < 300) return;
  await response.body?.cancel();
  const sentence = `${url} answered ${status}.`;
  const afterMs = retryAfterMs(headers.get("retry-after"), headers.get("date"));
  if (afterMs !== undefined) throw new RetryAfterError(sentence, afterMs);
  if (status === 404 || status === 410)
    throw new PermanentError(`${sentence} Delete the poll, or correct its address.`);
  throw new Error(sentence);
}

/** Reads Retry-After: seconds, or a date, which is measured from the answer's own date and no other clock. */
export function retryAfterMs(retryAfter: string | null, date: string | null): number | undefined {
  if (retryAfter === null) return undefined;
  const ms = /^\d+$/.test(retryAfter)
    ? Number(retryAfter) * 1000
    : Date.parse(retryAfter) - Date.parse(date ?? "");
  if (Number.isNaN(ms)) return undefined;
  return Math.min(Math.max(ms, RETRY_AFTER_MIN_MS), RETRY_AFTER_MAX_MS);
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > DOCUMENT_BYTES_MAX) throw new PermanentError(`${response.url} answered more than 5 MiB.`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parse(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${url} did not answer JSON: ${messageOf(error)}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
