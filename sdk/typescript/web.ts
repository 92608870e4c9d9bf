/** Web: `host.http`. QNTX's own service, whose errors are an answer with `success` false. */
import { FetchServiceService } from "../../proto/gen/protocol/fetch.ts";
import type { Ask } from "./call.ts";
import { HostError } from "./host-error.ts";
import type { Web } from "./qntx.ts";

/** Makes `host.http`. */
export function createWeb(ask: Ask, authToken: string): Web {
  return {
    async fetch(url, { subjects = [], predicate = "", context = "", fresh = false } = {}) {
      const about = { subjects: [...subjects], predicate, context, fresh, actor: "", source: "" };
      const answer = await ask(FetchServiceService.fetch, { authToken, url, ...about });
      if (!answer.success)
        throw new HostError("UNKNOWN", answer.error || "The host refused it without saying why.");
      return { status: answer.statusCode, body: answer.body, attestationId: answer.attestationId };
    },
  };
}
