/**
 * Routes: the poller's HTTP, below `/api/ix-json`.
 *
 * | request               | body or query                                              |
 * | --------------------- | ---------------------------------------------------------- |
 * | GET  /                | the page                                                   |
 * | GET  /polls           |                                                            |
 * | GET  /poll            | ?id=…                                                      |
 * | POST /polls           | { url, every or intervalSeconds, mapping?, name?, headers? } |
 * | POST /polls/pause     | { id }                                                     |
 * | POST /polls/resume    | { id }                                                     |
 * | POST /polls/delete    | { id }                                                     |
 *
 * Answers are JSON: `{ poll }`, `{ polls }` or `{ error, fields? }`.
 */
import type { Host, HttpHandler } from "../../../sdk/typescript/qntx.ts";
import type { Problem } from "./mapping.ts";
import { pageOf } from "./page.ts";
import { activate, getPoll, listPolls, type Outcome, pause, remove, resume } from "./polls.ts";
import { readPollRequest } from "./request.ts";

/** What `definePlugin` takes as `http`. */
export const routes: Record<string, HttpHandler> = {
  "GET /": async (_, host) => pageOf(await listPolls(host)),
  "GET /polls": async (_, host) => Response.json({ polls: await listPolls(host) }),
  "GET /poll": showPoll,
  "POST /polls": guarded(postPoll),
  "POST /polls/pause": guarded(byId(pause)),
  "POST /polls/resume": guarded(byId(resume)),
  "POST /polls/delete": guarded(byId(remove)),
};

const BODY_CHARS_MAX = 65_536; // A mapping of two hundred names fits many times.

async function showPoll(request: Request, host: Host): Promise<Response> {
  const id = new URL(request.url).searchParams.get("id");
  if (!id) return refusal(400, "Which poll?", [{ field: "id", message: "is missing: /poll?id=…" }]);
  const poll = await getPoll(host, id);
  return poll ? Response.json({ poll }) : answerOf({ refused: "unknown" }, 200);
}

async function postPoll(body: unknown, host: Host): Promise<Response> {
  const { value, problems } = readPollRequest(body);
  if (problems.length > 0) return refusal(400, "The poll cannot be made like this.", problems);
  return answerOf(await activate(host, value), 201);
}

function byId(act: (host: Host, id: string) => Promise<Outcome>) {
  return async (body: unknown, host: Host): Promise<Response> => {
    const id = typeof body === "object" && body !== null && "id" in body ? body.id : undefined;
    if (typeof id === "string" && id !== "") return answerOf(await act(host, id), 200);
    return refusal(400, "Which poll?", [{ field: "id", message: "must be the id of a poll" }]);
  };
}

function answerOf(outcome: Outcome, status: number): Response {
  if (!("refused" in outcome)) return Response.json({ poll: outcome.poll }, { status });
  if (outcome.refused === "exists") {
    const { id, state } = outcome.poll;
    return refusal(409, `This is poll ${id}, which is ${state}. Give another name, or delete it first.`);
  }
  if (outcome.refused === "gone") return refusal(409, "Its schedule was deleted. Activate it again.");
  return refusal(404, "There is no such poll.");
}

/** Reads the body, and turns what goes wrong into an answer. JSON only: no form of another site can send that. */
function guarded(act: (body: unknown, host: Host) => Promise<Response>): HttpHandler {
  return async (request, host) => {
    if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
      return refusal(415, "Send JSON, with content-type: application/json.");
    }
    const text = await request.text();
    if (text.length > BODY_CHARS_MAX)
      return refusal(413, `The body is longer than ${BODY_CHARS_MAX} characters.`);
    const body = parse(text);
    if (body === undefined)
      return refusal(400, "The body is not JSON.", [{ field: "body", message: "is not JSON" }]);
    return act(body, host).catch(refusalOf);
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // No JSON text means this.
  }
}

// What the host says with a code, in HTTP's numbers.
const STATUSES: Record<string, number> = {
  INVALID_ARGUMENT: 400,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 409,
  FAILED_PRECONDITION: 409,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
};

/** What the host refused is the asker's to know, with its fields; the rest is the host's trouble. */
function refusalOf(error: unknown): Response {
  const message = error instanceof Error ? error.message : String(error);
  const fields = fieldsOf(error);
  const code = typeof error === "object" && error !== null && "status" in error ? String(error.status) : "";
  return refusal(STATUSES[code] ?? (fields.length > 0 ? 400 : 502), message, fields);
}

function fieldsOf(error: unknown): Problem[] {
  const fields = typeof error === "object" && error !== null && "fields" in error ? error.fields : [];
  return Array.isArray(fields) ? fields : [];
}

function refusal(status: number, error: string, fields: readonly Problem[] = []): Response {
  return Response.json(fields.length > 0 ? { error, fields } : { error }, { status });
}
