/** Web: `host.http`. QNTX's own service, whose errors are an answer with `success` false. */
import { FetchServiceService } from "../../proto/gen/protocol/fetch.ts";
import type { Ask } from "./call.ts";
import { checkGiven, type Kind } from "./given.ts";
import { HostError } from "./host-error.ts";
import type { FetchOptions, Web } from "./qntx.ts";

const OPTIONS: Readonly<Record<keyof FetchOptions, Kind>> = {
  subjects: "texts",
  predicate: "text",
  context: "text",
  fresh: "flag",
};

/** Makes `host.http`. */
export function createWeb(ask: Ask, authToken: string): Web {
  return {
    async fetch(url, options = {}) {
      checkGiven("a fetch", options, OPTIONS);
      const { subjects = [], predicate = "", context = "", fresh = false } = options;
      const about = { subjects: [...subjects], predicate, context, fresh, actor: "", source: "" };
      const answer = await ask(FetchServiceService.fetch, { authToken, url, ...about });
      if (!answer.success)
        throw new HostError("UNKNOWN", answer.error || "The host refused it without saying why.");
      return { status: answer.statusCode, body: answer.body, attestationId: answer.attestationId };
    },
  };
}
