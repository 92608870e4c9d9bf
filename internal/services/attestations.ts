/** ATSStoreService, as QNTX defines it. Missing parts are errors, not crashes, and actors that are given are kept. */
import type { ServerWritableStream } from "@grpc/grpc-js";
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
import { authorized, parseInput } from "../operations/run.ts";
import type {
  AttestationCommandMessage,
  AttestationFilterMessage,
  AttestationMessage,
  ATSStoreServiceServer,
} from "../wire/host.ts";
import { legacy, statusOf } from "./answer.ts";
import { byToken, type ServiceOptions } from "./door.ts";

const SOURCE_DEFAULT = "plugin"; // What QNTX writes when a plugin names none.

export function attestationService(options: ServiceOptions): ATSStoreServiceServer {
  const { log } = options;
  const open = (token: string, way: "read" | "write") => {
    const context = byToken(options, token);
    authorized(context, way === "read" ? attestationQuery : attestationCreate);
    return context;
  };
  return {
    createAttestation: legacy(
      log,
      "CreateAttestation",
      async ({ authToken, attestation }) => {
        const context = open(authToken, "write");
        if (!attestation) throw new Fault("usage", "attestation is nil");
        const statement = {
          ...readCommand(context, commandOf(attestation)),
          ...(attestation.id ? { id: attestation.id } : {}),
        };
        await attest(context, [statement]);
        return { success: true, error: "" };
      },
      refused,
    ),
    attestationExists: legacy(
      log,
      "AttestationExists",
      async ({ authToken, id }) => {
        const context = open(authToken, "read");
        return { exists: (await context.store.attestations.get(id)) !== null };
      },
      () => ({ exists: false }),
    ),
    generateAndCreateAttestation: legacy(
      log,
      "GenerateAndCreateAttestation",
      async ({ authToken, command }) => {
        const context = open(authToken, "write");
        const [written] = await attest(context, [readCommand(context, command)]);
        return { success: true, error: "", attestation: written && attestationMessage(written) };
      },
      (error) => ({ ...refused(error), attestation: undefined }),
    ),
    batchGenerateAndCreateAttestations: legacy(
      log,
      "BatchGenerateAndCreateAttestations",
      async ({ authToken, commands }) => {
        const context = open(authToken, "write");
        const written = await attest(
          context,
          commands.map((command) => readCommand(context, command)),
        );
        return { success: true, error: "", created: written.length };
      },
      (error) => ({ ...refused(error), created: 0 }),
    ),
    getAttestations: legacy(
      log,
      "GetAttestations",
      async ({ authToken, filter }) => {
        const context = open(authToken, "read");
        const found = await context.store.attestations.query(readFilter(filter));
        return { success: true, error: "", attestations: found.map(attestationMessage) };
      },
      (error) => ({ ...refused(error), attestations: [] }),
    ),
    getAttestationsStream(
      call: ServerWritableStream<
        { authToken: string; filter: AttestationFilterMessage | undefined },
        AttestationMessage
      >,
    ) {
      const send = async () => {
        const context = open(call.request.authToken, "read");
        for (const found of await context.store.attestations.query(readFilter(call.request.filter))) {
          call.write(attestationMessage(found));
        }
        call.end();
      };
      send().catch((error: unknown) =>
        call.destroy(Object.assign(new Error(), statusOf(error, log, "GetAttestationsStream"))),
      );
    },
  };
}

function refused(error: string): { success: boolean; error: string } {
  return { success: false, error };
}

/** A filter that is absent asks for everything, like an empty one. */
export function readFilter(filter: AttestationFilterMessage | undefined): AttestationFilter {
  if (!filter) return {};
  const { subjects, predicates, contexts, actors, timeStart, timeEnd, limit } = filter;
  return { subjects, predicates, contexts, actors, timeStart, timeEnd, limit };
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
