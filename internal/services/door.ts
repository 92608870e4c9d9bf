/** Door: who is calling. The token is in field 1 of QNTX's messages and in the metadata of ours. */
import type { Principal } from "../access/principal.ts";
import type { Tokens } from "../access/tokens.ts";
import { Fault } from "../base/fault.ts";
import type { Call } from "../../sdk/typescript/server.ts";
import type { Log } from "../base/log.ts";
import type { Context } from "../operations/operation.ts";

export interface ServiceOptions {
  log: Log;
  tokens: Tokens;
  /** The context of a call by this principal. */
  contextOf: (principal: Principal) => Context;
  /** A plugin was refused before any operation heard of it: what, as the end of a sentence. */
  onRefused?: (plugin: string, what: string) => void;
}

/** The context of a call of QNTX's protocol. Throws a Fault with QNTX's own words for a wrong token. */
export function byToken({ tokens, contextOf }: ServiceOptions, token: string): Context {
  const principal = tokens.principal(token);
  if (!principal) throw new Fault("denied", "invalid authentication token");
  return contextOf(principal);
}

/** The context of a call of our own protocol. */
export function byHeader(options: ServiceOptions, call: Pick<Call, "header">): Context {
  return byToken(options, bearerOf(call));
}

/** The token that a call says in its headers; empty when there is none. */
export function bearerOf(call: Pick<Call, "header">): string {
  const value = call.header("authorization");
  return value.startsWith("Bearer ") ? value.slice("Bearer ".length) : "";
}
