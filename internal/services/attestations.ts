/** ATSStoreService, as QNTX defines it. Missing parts are errors, not crashes, and actors that are given are kept. */
import type { ServedStream } from "../../sdk/typescript/server.ts";
import { tenantSeen } from "../access/principal.ts";
import type { Attestation, AttestationFilter } from "../ats/attestation.ts";
import { Fault } from "../base/fault.ts";
import {
  attest,
  attestationCreate,
  attestationQuery,
  readStatement,
  statementInput,
} from "../operations/attestation.ts";
import type { Context } from "../operations/operation.ts";
import { parseInput } from "../operations/parse-input.ts";
import { admit } from "../operations/run.ts";
import type {
  AttestationCommandMessage,
  AttestationFilterMessage,
  AttestationMessage,
  ATSStoreServiceServer,
  GetAttestationsMessage,
} from "../wire/host.ts";
import { endWith, legacy } from "./answer.ts";
import { byToken, type ServiceOptions } from "./door.ts";

const SOURCE_DEFAULT = "plugin"; // What QNTX writes when a plugin names none.

export function attestationService(options: ServiceOptions): ATSStoreServiceServer {
  return { ...writing(options), ...reading(options) };
}

type Writing = "createAttestation" | "generateAndCreateAttestation" | "batchGenerateAndCreateAttestations";

function writing(options: ServiceOptions): Pick<ATSStoreServiceServer, Writing> {
  return {
    createAttestation: legacy(
      options,
      attestationCreate,
      async (context, { attestation }) => {
        if (!attestation) throw new Fault("usage", "attestation is nil");
        const statement = readCommand(context, commandOf(attestation));
        await attest(context, [attestation.id ? { ...statement, id: attestation.id } : statement]);
        return { success: true, error: "" };
      },
      refused,
    ),
    generateAndCreateAttestation: legacy(
      options,
      attestationCreate,
      async (context, { command }) => {
        const [written] = await attest(context, [readCommand(context, command)]);
        return { success: true, error: "", attestation: written && attestationMessage(written) };
      },
      (error) => ({ ...refused(error), attestation: undefined }),
    ),
    batchGenerateAndCreateAttestations: legacy(
      options,
      attestationCreate,
      async (context, { commands }) => {
        const statements = commands.map((command) => readCommand(context, command));
        const written = await attest(context, statements);
        return { success: true, error: "", created: written.length };
      },
      (error) => ({ ...refused(error), created: 0 }),
    ),
  };
}

type Reading = "attestationExists" | "getAttestations" | "getAttestationsStream";

function reading(options: ServiceOptions): Pick<ATSStoreServiceServer, Reading> {
  return {
    attestationExists: legacy(
      options,
      attestationQuery,
      async ({ store, principal }, { id }) => ({
        exists: (await store.attestations.get(id, tenantSeen(principal) ?? "")) !== null,
      }),
      () => ({ exists: false }),
    ),
    getAttestations: legacy(
      options,
      attestationQuery,
      async (context, { filter }) => {
        const found = await context.store.attestations.query(readFilter(context, filter));
        return { success: true, error: "", attestations: found.map(attestationMessage) };
      },
      (error) => ({ ...refused(error), attestations: [] }),
    ),
    getAttestationsStream(request, stream) {
      sendAll(options, request, stream).catch((error: unknown) => endWith(stream, error, options.log));
    },
  };
}

async function sendAll(
  options: ServiceOptions,
  request: GetAttestationsMessage,
  stream: ServedStream<unknown, AttestationMessage>,
): Promise<void> {
  const context = byToken(options, request.authToken);
  await admit(context, attestationQuery, {});
  for (const found of await context.store.attestations.query(readFilter(context, request.filter))) {
    stream.write(attestationMessage(found));
  }
  stream.end();
}

function refused(error: string): { success: boolean; error: string } {
  return { success: false, error };
}

/** A filter that is absent asks for everything, like an empty one. */
export function readFilter(
  { principal }: Pick<Context, "principal">,
  filter: AttestationFilterMessage | undefined,
): AttestationFilter {
  const tenant = tenantSeen(principal);
  if (!filter) return { tenant };
  const { subjects, predicates, contexts, actors, timeStart, timeEnd, limit } = filter;
  return { tenant, subjects, predicates, contexts, actors, timeStart, timeEnd, limit };
}

function readCommand(context: Context, command: AttestationCommandMessage | undefined) {
  if (!command) throw new Fault("usage", "command is nil");
  const { timestamp, sourceVersion, source, attributes, ...values } = command;
  const statement = parseInput(statementInput, {
    ...values,
    source: source || SOURCE_DEFAULT,
    attributes: { ...attributes, ...(sourceVersion ? { source_version: sourceVersion } : {}) },
    ...(timestamp === undefined ? {} : { timestamp }),
  });
  return readStatement(context, statement);
}

function commandOf({
  subjects,
  predicates,
  contexts,
  actors,
  timestamp,
  source,
  attributes,
}: AttestationMessage): AttestationCommandMessage {
  return {
    subjects,
    predicates,
    contexts,
    actors,
    source,
    attributes,
    sourceVersion: "",
    timestamp: timestamp || undefined,
  };
}

/** An attestation as QNTX's message. */
export function attestationMessage(attestation: Attestation): AttestationMessage {
  return {
    id: attestation.id,
    subjects: [...attestation.subjects],
    predicates: [...attestation.predicates],
    contexts: [...attestation.contexts],
    actors: [...attestation.actors],
    timestamp: attestation.timestamp,
    source: attestation.source,
    attributes: attestation.attributes,
    createdAt: attestation.createdAt,
    signature: Buffer.alloc(0),
    signerDid: "",
  };
}
