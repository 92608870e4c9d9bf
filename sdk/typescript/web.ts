/** Web: `host.http`. QNTX's own service, whose errors are an answer with `success` false. */
import { FetchServiceService } from "../../proto/gen/protocol/fetch.ts";
import type { Ask, HostLine } from "./call.ts";
import { checkGiven, type Kind } from "./given.ts";
import { HostError } from "./host-error.ts";

/** What is fetched, and what becomes of it. */
export interface FetchOptions {
  /** Where there are any, the answer is attested about them; that needs cap:ats.write. */
  subjects?: readonly string[];
  /** Beside "http:get": an answer that is attested with it already is given again. */
  predicate?: string;
  /** The address when absent. */
  context?: string;
  /** Asks anew, although an answer is attested already. */
  fresh?: boolean;
}

/** What an address answered. */
export interface Fetched {
  /** Of HTTP; 404 is an answer like any other. */
  status: number;
  body: string;
  /** Empty when it was not attested. */
  attestationId: string;
}

/** The web, as far as the host lets a plugin reach it. */
export interface Web {
  /** GETs a public address; needs cap:http.fetch. Rejects with a HostError that says why not. */
  fetch(url: string, options?: FetchOptions): Promise<Fetched>;
}

const OPTIONS: Readonly<Record<keyof FetchOptions, Kind>> = {
  subjects: "texts",
  predicate: "text",
  context: "text",
  fresh: "flag",
};

/** Makes `host.http`. */
export function createWeb(ask: Ask, line: Pick<HostLine, "token">): Web {
  return {
    async fetch(url, options = {}) {
      checkGiven("a fetch", options, OPTIONS);
      const { subjects = [], predicate = "", context = "", fresh = false } = options;
      const about = { subjects: [...subjects], predicate, context, fresh, actor: "", source: "" };
      const answer = await ask(FetchServiceService.fetch, { authToken: line.token, url, ...about });
      if (!answer.success)
        throw new HostError("UNKNOWN", answer.error || "The host refused it without saying why.");
      return { status: answer.statusCode, body: answer.body, attestationId: answer.attestationId };
    },
  };
}
