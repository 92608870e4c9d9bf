/** A host that answers a plugin's calls with what it was asked, for tests. */
import {
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from "@grpc/grpc-js";
import {
  type Attestation,
  Attestation as Attestations,
  type AttestationExistsRequest,
  type AttestationExistsResponse,
  ATSStoreServiceService,
  type BatchGenerateAttestationRequest,
  type BatchGenerateAttestationResponse,
  type GenerateAttestationRequest,
  type GenerateAttestationResponse,
  type GetAttestationsRequest,
  type GetAttestationsResponse,
} from "../../../proto/gen/protocol/atsstore.ts";
import {
  type CreateScheduleRequest,
  type EnqueueRequest,
  type EnqueueResponse,
  FieldFaults,
  HostServiceService,
  type ListSchedulesRequest,
  type ListSchedulesResponse,
  Schedule,
  type WatchAttestationsRequest,
} from "../../../proto/gen/qntx/v1/host.ts";

type Unary<Q, A> = (call: ServerUnaryCall<Q, A>, answer: sendUnaryData<A>) => void;

/** Serves HostService and ATSStoreService on a free port. `await using` ends it. */
export class EchoHost {
  /** The tokens that calls brought, however they brought them. */
  readonly tokens = new Set<string>();
  readonly #server = new Server();
  endpoint = "";

  async listen(): Promise<this> {
    this.#server.addService(HostServiceService, this.#host());
    this.#server.addService(ATSStoreServiceService, this.#ats());
    const port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    this.endpoint = `127.0.0.1:${port}`;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }

  #host() {
    const createSchedule: Unary<CreateScheduleRequest, Schedule> = ({ request, metadata }, answer) => {
      this.tokens.add(String(metadata.get("authorization")[0]));
      answer(null, Schedule.create({ ...request, id: `${request.handler} ${request.every}${request.cron}` }));
    };
    const listSchedules: Unary<ListSchedulesRequest, ListSchedulesResponse> = ({ request }, answer) =>
      answer(null, {
        schedules: [Schedule.create({ id: request.cursor || "first" })],
        cursor: request.cursor ? "" : "second",
      });
    const enqueue: Unary<EnqueueRequest, EnqueueResponse> = ({ request }, answer) =>
      answer(null, {
        jobs: request.jobs.map(({ handler, timeoutMs, payload }) => ({
          id: `${handler} ${timeoutMs} ${payload}`,
          state: "queued",
          created: true,
        })),
      });
    const watchAttestations = (call: ServerWritableStream<WatchAttestationsRequest, Attestation>) => {
      for (const subject of ["one", "two", "three"]) {
        call.write(
          Attestations.create({ subjects: [subject], contexts: call.request.filter?.contexts ?? [] }),
        );
      }
    };
    return {
      createSchedule,
      listSchedules,
      enqueue,
      watchAttestations,
      getSchedule: refuse(status.NOT_FOUND, "There is no such schedule."),
      updateSchedule: refuse(status.ABORTED, "every: too often."),
    };
  }

  #ats() {
    const generateAndCreateAttestation: Unary<GenerateAttestationRequest, GenerateAttestationResponse> = (
      { request },
      answer,
    ) => {
      this.tokens.add(request.authToken);
      const { subjects = [], attributes } = request.command ?? {};
      answer(null, {
        success: true,
        error: "",
        attestation: Attestations.create({ id: "AS_1", subjects, attributes }),
      });
    };
    const batchGenerateAndCreateAttestations: Unary<
      BatchGenerateAttestationRequest,
      BatchGenerateAttestationResponse
    > = ({ request }, answer) => answer(null, { success: true, error: "", created: request.commands.length });
    const getAttestations: Unary<GetAttestationsRequest, GetAttestationsResponse> = ({ request }, answer) => {
      const limit = request.filter?.limit ?? 0;
      if (limit > 100)
        return answer(null, { success: false, error: "limit: 101 is too many.", attestations: [] });
      const ids = Array.from({ length: limit }, (_, n) => Attestations.create({ id: `AS_${n}` }));
      answer(null, { success: true, error: "", attestations: ids });
    };
    const attestationExists: Unary<AttestationExistsRequest, AttestationExistsResponse> = (
      { request },
      answer,
    ) => answer(null, { exists: request.id === "AS_1" });
    return {
      generateAndCreateAttestation,
      batchGenerateAndCreateAttestations,
      getAttestations,
      attestationExists,
    };
  }
}

/** Refuses as our own services do: with the wrong fields in a trailer. */
function refuse(code: status, details: string) {
  const faults = FieldFaults.create({
    fields: [{ field: "every", message: "too often" }],
    hint: "Wait.",
    retryAfterMs: 1500,
    limit: { name: "scheduleWritesPerMinute", allows: 10, used: 10 },
  });
  const metadata = new Metadata();
  metadata.set("qntx-fields-bin", Buffer.from(FieldFaults.encode(faults).finish()));
  return (_call: unknown, answer: sendUnaryData<never>) => answer({ code, details, metadata });
}
