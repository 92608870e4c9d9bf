/** FetchService, as QNTX defines it: a GET whose answer is attested where subjects are named. What is wrong is said, and never a status. */
import { httpFetch } from "../operations/http-fetch.ts";
import { call } from "../operations/run.ts";
import type { FetchServiceServer } from "../wire/host.ts";
import { legacy } from "./answer.ts";
import type { ServiceOptions } from "./door.ts";

export function fetchService(options: ServiceOptions): FetchServiceServer {
  return {
    fetch: legacy(
      options,
      httpFetch,
      async (context, { url, subjects, predicate, context: about, fresh, actor, source }) => {
        const wanted = { url, subjects, predicate, context: about, fresh, actor, source };
        const { status, body, attestationId } = await call(context, httpFetch, wanted);
        return { success: true, error: "", body, statusCode: status, attestationId };
      },
      (error) => ({ success: false, error, body: "", statusCode: 0, attestationId: "" }),
    ),
  };
}
