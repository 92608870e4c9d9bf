/** What can be done with the web: fetch an address through the host, which says what may be fetched. */
import { z } from "zod";
import { type Capability, grantLine } from "../access/capability.ts";
import { principalName, tenantSeen } from "../access/principal.ts";
import { assert, Fault } from "../base/fault.ts";
import type { Fetched } from "../fetch/fetcher.ts";
import { attest, readStatement, statementInput } from "./attestation.ts";
import { type Context, operation } from "./operation.ts";
import { parseInput } from "./parse-input.ts";

const URL_CHARS_MAX = 8_192; // What servers take.
const GET = "http:get"; // QNTX's predicate of what was fetched.

const input = z.strictObject({
  url: z.string().min(1, "is empty.").max(URL_CHARS_MAX, `has more than ${URL_CHARS_MAX} characters.`),
  /** Where there are any, the answer is attested about them. */
  subjects: z.array(z.string()).optional(),
  predicate: z.string().optional(),
  context: z.string().optional(),
  /** Asks anew, although an answer is attested already. */
  fresh: z.boolean().optional(),
  actor: z.string().optional(),
  source: z.string().optional(),
});

type FetchInput = z.infer<typeof input>;

export const httpFetch = operation({
  name: "http.fetch",
  summary: "Fetch an address of the web through the host",
  plugin: "cap:http.fetch",
  needsHost: true,
  input,
  async run(context, wanted) {
    const attests = (wanted.subjects ?? []).length > 0;
    if (attests) refuseWithout(context, "cap:ats.write");
    const known = attests && !wanted.fresh ? await attested(context, wanted) : null;
    if (known) return known;
    assert(context.host, "the host is there");
    const { principal, signal } = context;
    const caller = principal.kind === "plugin" ? principal.plugin : principalName(principal);
    const answer = await context.host.web.fetch(wanted.url, { caller, signal });
    return { ...answer, attestationId: attests ? await attestAnswer(context, wanted, answer) : "" };
  },
});

function refuseWithout({ principal }: Context, capability: Capability): void {
  if (principal.kind !== "plugin" || principal.capabilities.has(capability)) return;
  throw new Fault(
    "denied",
    `Plugin ${principal.plugin} lacks ${capability}, which attesting what was fetched needs.`,
    {
      hint: `Grant it with: ${grantLine(principal.plugin, [capability])}`,
    },
  );
}

/** The newest answer of the same address about the same subjects, as QNTX gives it again; null when there is none. */
async function attested({ store, principal }: Context, { url, subjects = [], predicate }: FetchInput) {
  const mayRead = principal.kind !== "plugin" || principal.capabilities.has("cap:ats.read");
  if (!predicate || !mayRead) return null;
  const filter = { tenant: tenantSeen(principal), subjects, predicates: [predicate] };
  for (const { id, attributes } of await store.attestations.query({ ...filter, limit: KNOWN_MAX })) {
    const { url: from, response: body, status_code: status } = attributes;
    const isAnswer = from === url && typeof body === "string" && typeof status === "number";
    if (isAnswer && status >= 200 && status <= 299) return { status, body, attestationId: id };
  }
  return null;
}

const KNOWN_MAX = 100; // Of one subject: whoever fetches many addresses about it looks no further back.

async function attestAnswer(
  context: Context,
  { url, subjects, predicate, context: about, actor, source }: FetchInput,
  { status, body }: Fetched,
): Promise<string> {
  const statement = parseInput(statementInput, {
    subjects,
    predicates: [...new Set([GET, predicate || GET])],
    contexts: [about || url],
    actors: [actor || "fetch-service"],
    ...(source ? { source } : {}),
    attributes: { url, response: body, status_code: status },
  });
  const [written] = await attest(context, [readStatement(context, statement)]);
  return written?.id ?? "";
}
