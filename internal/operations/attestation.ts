/** What can be done with attestations. */
import { z } from "zod";
import {
  type Attestation,
  type AttestationFilter,
  ATTESTATION_TEXT_MAX,
  ATTESTATION_VALUES_MAX,
  ATTRIBUTES_BYTES_MAX,
  HANDLER_PREDICATE,
  type Json,
  UNSAID,
} from "../ats/attestation.ts";
import { grantLine } from "../access/capability.ts";
import { type Principal, principalName, tenantSeen } from "../access/principal.ts";
import { exceeded } from "../access/quota.ts";
import { Fault, fieldFault } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { formatInstant, parseInstant } from "../base/instant.ts";
import type { NewAttestation } from "../store/attestations.ts";
import { type Context, operation } from "./operation.ts";

const text = z
  .string()
  .min(1, "is empty.")
  .max(ATTESTATION_TEXT_MAX, `has more than ${ATTESTATION_TEXT_MAX} characters.`);
const values = z.array(text).max(ATTESTATION_VALUES_MAX, `has more than ${ATTESTATION_VALUES_MAX} values.`);
const QUERY_LIMIT_DEFAULT = 100;
const QUERY_LIMIT_MAX = 10_000;
const CREATE_MAX = 10_000; // One transaction.

export const statementInput = z.strictObject({
  subjects: values.min(1, "is empty: an attestation is about something."),
  predicates: values.optional(),
  contexts: values.optional(),
  actors: values.optional(),
  timestamp: z.int().optional(),
  source: z.string().max(ATTESTATION_TEXT_MAX).optional(),
  attributes: z.record(z.string(), z.json(), "must be an object.").optional(),
});

export type StatementInput = z.infer<typeof statementInput>;

export const attestationCreate = operation({
  name: "ats.create",
  summary: "Make attestations: all or none",
  plugin: "cap:ats.write",
  input: z.strictObject({
    attestations: z.array(statementInput).max(CREATE_MAX, `has more than ${CREATE_MAX} attestations.`),
  }),
  async run(context, { attestations }) {
    const written = await attest(
      context,
      attestations.map((statement) => readStatement(context, statement)),
    );
    return { attestations: written.map(viewAttestation) };
  },
});

export const attestationQuery = operation({
  name: "ats.query",
  summary: "Find attestations, last written first",
  plugin: "cap:ats.read",
  input: z.strictObject({
    subjects: values.optional(),
    predicates: values.optional(),
    contexts: values.optional(),
    actors: values.optional(),
    since: z.string().optional(),
    until: z.string().optional(),
    limit: z
      .int()
      .min(1, "must be at least 1.")
      .max(QUERY_LIMIT_MAX, `must be at most ${QUERY_LIMIT_MAX}.`)
      .optional(),
  }),
  async run({ store, principal }, { since, until, limit, ...fields }) {
    const filter: AttestationFilter = {
      ...fields,
      tenant: tenantSeen(principal),
      timeStart: since === undefined ? undefined : parseInstant(since, "since"),
      timeEnd: until === undefined ? undefined : parseInstant(until, "until"),
      limit: limit ?? QUERY_LIMIT_DEFAULT,
    };
    return { attestations: (await store.attestations.query(filter)).map(viewAttestation) };
  },
});

export const attestationOperations = [attestationCreate, attestationQuery];

/** Writes statements and tells whoever watches. */
export async function attest(
  context: Context,
  attestations: readonly NewAttestation[],
): Promise<Attestation[]> {
  const written = await writeAs(context, attestations);
  if (written.length > 0) context.host?.attested(written);
  return written;
}

/** Throws a Fault when a plugin has written too many, or too much. */
async function writeAs(
  { store, principal }: Context,
  attestations: readonly NewAttestation[],
): Promise<Attestation[]> {
  if (principal.kind !== "plugin") return store.attestations.create(attestations);
  const answer = await store.attestations.createWithin(principal, attestations);
  if ("exceeded" in answer) throw exceeded(principal.plugin, answer.exceeded);
  return answer;
}

/** Fills in what a statement leaves unsaid, as QNTX does; actors that are given are kept. */
export function readStatement({ env, principal }: Context, statement: StatementInput): NewAttestation {
  const id = newId(env, "AS");
  const attributes: Record<string, Json> = statement.attributes ?? {};
  const bytes = JSON.stringify(attributes).length;
  if (bytes > ATTRIBUTES_BYTES_MAX) {
    throw fieldFault("attributes", `have ${bytes} bytes; at most ${ATTRIBUTES_BYTES_MAX} are allowed.`);
  }
  refuseHandler(principal, statement);
  return {
    id,
    tenant: tenantSeen(principal) ?? "",
    subjects: statement.subjects,
    predicates: orElse(statement.predicates, UNSAID),
    contexts: orElse(statement.contexts, UNSAID),
    actors: orElse(statement.actors, id), // A statement that nobody signs speaks for itself.
    timestamp: statement.timestamp ?? null,
    source: statement.source || principalName(principal),
    attributes,
  };
}

/** A saved script runs as the plugin of its language: with all that one may do. */
function refuseHandler(principal: Principal, { predicates }: StatementInput): void {
  if (principal.kind !== "plugin" || !predicates?.includes(HANDLER_PREDICATE)) return;
  if (principal.capabilities.has("cap:handlers.save")) return;
  throw new Fault(
    "denied",
    `Plugin ${principal.plugin} lacks cap:handlers.save, which saved handlers need.`,
    {
      hint: `Grant it with: ${grantLine(principal.plugin, ["cap:handlers.save"])}`,
    },
  );
}

function orElse(given: readonly string[] | undefined, fallback: string): readonly string[] {
  return given === undefined || given.length === 0 ? [fallback] : given;
}

/** How an attestation is shown. */
export function viewAttestation(attestation: Attestation) {
  const { timestamp, createdAt, ...rest } = attestation;
  return { ...rest, timestamp: formatInstant(timestamp), createdAt: formatInstant(createdAt) };
}
