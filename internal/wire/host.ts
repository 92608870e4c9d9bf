/** The messages of the services that plugins call, from the generated code. */
import type { Methods } from "../../sdk/typescript/server.ts";
import type { ATSStoreServiceService } from "../../proto/gen/protocol/atsstore.ts";
import type { QueueServiceService } from "../../proto/gen/protocol/queue.ts";
import type { ScheduleServiceService } from "../../proto/gen/protocol/schedule.ts";
import type { FetchServiceService } from "../../proto/gen/protocol/fetch.ts";
import type { LockServiceService } from "../../proto/gen/qntx/v1/lock.ts";
import type { StorageServiceService } from "../../proto/gen/qntx/v1/storage.ts";
import type { HostServiceService } from "../../proto/gen/qntx/v1/host.ts";
export {
  ATSStoreServiceService,
  type Attestation as AttestationMessage,
  type AttestationFilter as AttestationFilterMessage,
  type AttestationCommand as AttestationCommandMessage,
  type GetAttestationsRequest as GetAttestationsMessage,
} from "../../proto/gen/protocol/atsstore.ts";
export { QueueServiceService, type Job as JobMessage } from "../../proto/gen/protocol/queue.ts";
export {
  ScheduleServiceService,
  type CreateScheduleRequest as CreateLegacyScheduleMessage,
  type ScheduledJob as ScheduledJobMessage,
} from "../../proto/gen/protocol/schedule.ts";
export { FetchServiceService } from "../../proto/gen/protocol/fetch.ts";
export {
  LockServiceService,
  type TryLockResponse as TryLockAnswerMessage,
} from "../../proto/gen/qntx/v1/lock.ts";
export {
  StorageServiceService,
  type StoredKey as StoredKeyMessage,
} from "../../proto/gen/qntx/v1/storage.ts";
export {
  FieldFaults,
  HostServiceService,
  type NewJob as NewJobMessage,
  type Schedule as ScheduleMessage,
  type CreateScheduleRequest as CreateScheduleMessage,
  type EnqueueRequest as EnqueueMessage,
  type WatchAttestationsRequest as WatchAttestationsMessage,
  type UpdateScheduleRequest as UpdateScheduleMessage,
} from "../../proto/gen/qntx/v1/host.ts";

/** What answers the calls of each. */
export type ATSStoreServiceServer = Methods<ATSStoreServiceService>;
export type QueueServiceServer = Methods<QueueServiceService>;
export type ScheduleServiceServer = Methods<ScheduleServiceService>;
export type FetchServiceServer = Methods<FetchServiceService>;
export type LockServiceServer = Methods<LockServiceService>;
export type StorageServiceServer = Methods<StorageServiceService>;
export type HostServiceServer = Methods<HostServiceService>;
