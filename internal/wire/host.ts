/** The messages of the services that plugins call, from the generated code. */
export {
  ATSStoreServiceService,
  type ATSStoreServiceServer,
  type Attestation as AttestationMessage,
  type AttestationFilter as AttestationFilterMessage,
  type AttestationCommand as AttestationCommandMessage,
  type GetAttestationsRequest as GetAttestationsMessage,
} from "../../proto/gen/protocol/atsstore.ts";
export {
  QueueServiceService,
  type QueueServiceServer,
  type Job as JobMessage,
} from "../../proto/gen/protocol/queue.ts";
export {
  ScheduleServiceService,
  type ScheduleServiceServer,
  type CreateScheduleRequest as CreateLegacyScheduleMessage,
  type ScheduledJob as ScheduledJobMessage,
} from "../../proto/gen/protocol/schedule.ts";
export { FetchServiceService, type FetchServiceServer } from "../../proto/gen/protocol/fetch.ts";
export {
  LockServiceService,
  type LockServiceServer,
  type TryLockResponse as TryLockAnswerMessage,
} from "../../proto/gen/qntx/v1/lock.ts";
export {
  StorageServiceService,
  type StorageServiceServer,
  type StoredKey as StoredKeyMessage,
} from "../../proto/gen/qntx/v1/storage.ts";
export {
  FieldFaults,
  HostServiceService,
  type HostServiceServer,
  type NewJob as NewJobMessage,
  type Schedule as ScheduleMessage,
  type CreateScheduleRequest as CreateScheduleMessage,
  type EnqueueRequest as EnqueueMessage,
  type WatchAttestationsRequest as WatchAttestationsMessage,
  type UpdateScheduleRequest as UpdateScheduleMessage,
} from "../../proto/gen/qntx/v1/host.ts";
