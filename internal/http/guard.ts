/**
 * Guard: who may speak to the host over TCP. The operator's token is needed for
 * everything but the health probes; Host and Origin are checked so that a web
 * page elsewhere, or a name that was pointed at this machine, reaches nothing.
 */
import { timingSafeEqual } from "node:crypto";
import { Fault } from "../base/fault.ts";

export interface GuardOptions {
  port: number;
  /** The operator's token. */
  token: string;
  /** Hears of each request whose token is missing or wrong. */
  onWrongToken(): void;
}

/** Throws a Fault unless the request is one that this host should answer. */
export function guard(request: Request, { port, token, onWrongToken }: GuardOptions): void {
  const names = ["127.0.0.1", "localhost", "[::1]"].map((name) => `${name}:${port}`);
  const host = request.headers.get("host")?.toLowerCase() ?? "";
  if (!names.includes(host)) {
    throw new Fault("denied", `Host ${JSON.stringify(host)} is not one of ${names.join(", ")}.`);
  }
  const origin = request.headers.get("origin");
  if (origin !== null && !names.some((name) => origin === `http://${name}`)) {
    throw new Fault("denied", `Origin ${JSON.stringify(origin)} is not this host.`);
  }
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") {
    throw new Fault("denied", `A request from another site (${JSON.stringify(site)}) is not answered.`);
  }
  if (!hasToken(request, token)) {
    onWrongToken();
    throw new Fault("denied", "The operator's token is missing or wrong.", {
      hint: "Send `Authorization: Bearer TOKEN`; the token is in operator.token in the data folder.",
    });
  }
}

function hasToken(request: Request, token: string): boolean {
  const given = request.headers.get("authorization")?.match(/^Bearer (\S+)$/)?.[1] ?? "";
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return token !== "" && a.length === b.length && timingSafeEqual(a, b);
}
