/** Http: one request of a browser or a schedule, handed to a plugin's HandleHTTP, and its answer checked. */
import { status } from "@grpc/grpc-js";
import type { HTTPHeader, HTTPResponse } from "../../proto/gen/protocol/domain.ts";
import { grantLine } from "../access/capability.ts";
import type { Millis } from "../base/env.ts";
import { Fault } from "../base/fault.ts";
import type { Answer } from "../../sdk/typescript/channel.ts";
import { answerText } from "./connection.ts";
import type { Session } from "./session.ts";
import type { Supervisor } from "./supervisor.ts";

export interface PluginHttpRequest {
  method: string;
  /** Without `/api/<plugin>`, with the query. */
  path: string;
  headers: HTTPHeader[];
  body: Uint8Array;
  /** Aborted when nobody waits for the answer any more. */
  signal?: AbortSignal;
  /** Shorter or longer than usual. */
  limitMs?: Millis;
}

const RETRY_AFTER_MS: Millis = 5_000; // As QNTX tells a browser while a plugin starts.

/** Of a plugin that may not answer requests. */
export function noRightToServe(plugin: string): Fault {
  return new Fault("denied", `Plugin ${plugin} lacks cap:http.serve, and answers no requests.`, {
    hint: `Grant it with: ${grantLine(plugin, ["cap:http.serve"])}`,
  });
}

/** The process that answers now. Throws a Fault when there is none. */
export function readySession(supervisor: Supervisor): Session {
  const { name, session } = supervisor;
  if (session) return session;
  const { state, reason } = supervisor.status();
  throw new Fault("unreachable", `Plugin ${name} is ${state}.`, {
    hint: reason || "It may answer in a moment.",
    retryAfterMs: RETRY_AFTER_MS,
  });
}

/** Throws a Fault when the plugin is not there, has no such route, or does not answer. */
export async function forwardHttp(
  supervisor: Supervisor,
  { usualMs, request }: { usualMs: Millis; request: PluginHttpRequest },
): Promise<HTTPResponse> {
  const { name } = supervisor;
  const session = readySession(supervisor);
  const { method, path } = request;
  let answer = await ask(session, request, { path, usualMs });
  // As QNTX does: some of its plugins know their routes by the whole path.
  if (!session.announcement.described && hasNoRoute(answer)) {
    const whole = await ask(session, request, { path: `/api/${name}${path}`, usualMs });
    if (!hasNoRoute(whole)) answer = whole;
  }
  if (answer.ok && !isEmpty(answer.value)) return checked(name, answer.value);
  if (answer.ok || hasNoRoute(answer))
    throw new Fault("not-found", `Plugin ${name} has no ${method} ${path}.`);
  const code = answer.code === status.DEADLINE_EXCEEDED ? "timeout" : "unreachable";
  throw new Fault(code, `Plugin ${name} did not answer ${method} ${path}: ${answerText(answer)}.`);
}

function ask(
  { connection }: Session,
  { method, headers, body, signal, limitMs }: PluginHttpRequest,
  { path, usualMs }: { path: string; usualMs: Millis },
): Promise<Answer<HTTPResponse>> {
  const wire = { method, path, headers, body: Buffer.from(body.buffer, body.byteOffset, body.byteLength) };
  return connection.handleHttp(wire, limitMs ?? usualMs, signal);
}

/** True when the plugin serves no HTTP, or nothing at that path. */
function hasNoRoute(answer: Answer<HTTPResponse>): boolean {
  if (answer.ok) return answer.value.statusCode === 404 || isEmpty(answer.value);
  return answer.code === status.UNIMPLEMENTED || answer.code === status.NOT_FOUND;
}

/** An empty message: how some plugins answer a call that they do not know. */
function isEmpty({ statusCode, headers, body }: HTTPResponse): boolean {
  return statusCode === 0 && headers.length === 0 && body.length === 0;
}

/** A status that HTTP does not have would make our own server throw. */
function checked(name: string, response: HTTPResponse): HTTPResponse {
  const { statusCode } = response;
  if (Number.isInteger(statusCode) && statusCode >= 200 && statusCode <= 599) return response;
  throw new Fault("failed", `Plugin ${name} answered with status ${statusCode}, which is none.`);
}
