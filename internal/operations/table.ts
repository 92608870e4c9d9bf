/** The table: everything that can be done. Adding an operation is one line here. */
import { attestationOperations } from "./attestation.ts";
import { budgetOperations } from "./budget.ts";
import { bulkOperations } from "./job-bulk.ts";
import { blackoutOperations } from "./blackout.ts";
import { backfillOperations } from "./backfill.ts";
import { configReload } from "./config.ts";
import { eventOperations } from "./event.ts";
import { flowOperations } from "./job-flow.ts";
import { httpFetch } from "./http-fetch.ts";
import { handlerOperations } from "./handler.ts";
import { handlerPauseOperations } from "./handler-pause.ts";
import { jobPauseOperations } from "./job-pause.ts";
import { hostOperations } from "./host.ts";
import { jobOperations } from "./job.ts";
import { lockOperations } from "./lock.ts";
import type { AnyOperation } from "./operation.ts";
import { pluginContext } from "./plugin-context.ts";
import { pluginGrantOperations } from "./plugin-grant.ts";
import { pluginInstallOperations } from "./plugin-install.ts";
import { pluginOperations } from "./plugin.ts";
import { pluginStorageOperations } from "./plugin-storage.ts";
import { quotaShow } from "./quota.ts";
import { secretGet } from "./secret.ts";
import { documentOperations } from "./schedule-apply.ts";
import { scheduleOperations } from "./schedule.ts";
import { scheduleSimulate } from "./simulate.ts";
import { storageOperations } from "./storage.ts";
import { scheduleVerify } from "./verify.ts";

/** All operations, in the order in which documents list them. */
export const OPERATIONS: readonly AnyOperation[] = [
  ...scheduleOperations,
  ...documentOperations,
  ...blackoutOperations,
  scheduleVerify,
  ...backfillOperations,
  scheduleSimulate,
  ...jobOperations,
  ...bulkOperations,
  ...flowOperations,
  ...jobPauseOperations,
  ...handlerOperations,
  ...handlerPauseOperations,
  ...budgetOperations,
  ...lockOperations,
  ...pluginOperations,
  pluginContext,
  ...pluginGrantOperations,
  ...pluginInstallOperations,
  ...pluginStorageOperations,
  quotaShow,
  configReload,
  ...storageOperations,
  ...attestationOperations,
  ...eventOperations,
  httpFetch,
  secretGet,
  ...hostOperations,
];

const BY_NAME: ReadonlyMap<string, AnyOperation> = new Map(
  OPERATIONS.map((operation) => [operation.name, operation]),
);

/** Undefined when there is no such operation. */
export function findOperation(name: string): AnyOperation | undefined {
  return BY_NAME.get(name);
}
