/**
 * Webhook: `POST /api/python/<name>` becomes a job of `python.webhook`, whose
 * input is the request. The caller gets the job's id as soon as it is on disk,
 * and the script may take its time, fail and be tried again.
 */
import { type Host, type Json, PermanentError } from "../../../sdk/typescript/qntx.ts";
import type { FindCode } from "./request.ts";

/** What a script finds as `job.payload`. */
export interface WebhookInput {
  /** The saved handler that it is for. */
  handler: string;
  method: string;
  path: string;
  /** By name; of a name that comes several times, the last one. */
  query: Record<string, string>;
  headers: Record<string, string>;
  /** Read as JSON when it says that it is; text otherwise. */
  body: Json;
}

/** Answers a POST: 202 with the job's id, 404 when no handler has the name, and why when the host refuses the job. */
export async function receive(request: Request, host: Host, find: FindCode): Promise<Response> {
  const url = new URL(request.url);
  const name = decodeURIComponent(url.pathname.slice(1));
  if (find(name) === undefined) {
    return Response.json({ error: `There is no saved handler ${JSON.stringify(name)}.` }, { status: 404 });
  }
  const input: WebhookInput = {
    handler: name,
    method: request.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: Object.fromEntries(request.headers),
    body: await readBody(request),
  };
  const key = request.headers.get("idempotency-key");
  const { id } = await host.queue.enqueue(
    "python.webhook",
    input,
    key ? { uniqueKey: `${name} ${key}` } : {},
  );
  return Response.json({ job: id }, { status: 202 });
}

/** The name of the handler that a job of `python.webhook` is for. Throws a PermanentError. */
export function webhookName(payload: Json): string {
  const name: unknown = payload?.handler;
  if (typeof name === "string") return name;
  throw new PermanentError("handler: it must be the name of a saved handler.");
}

async function readBody(request: Request): Promise<Json> {
  const text = await request.text();
  if (!/^application\/(.+\+)?json\b/.test(request.headers.get("content-type") ?? "")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // The script decides what to make of it.
  }
}
