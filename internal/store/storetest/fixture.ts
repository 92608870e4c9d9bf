/** What every store test needs: an open store on a clock that the test moves, and rows with sane defaults. */
import type { FakeEnv } from "../../base/fake-env.ts";
import { newId } from "../../base/id.ts";
import type { HeldJob, NewJob } from "../../job/job.ts";
import type { Outcome } from "../../job/outcome.ts";
import { settle } from "../../job/outcome.ts";
import type { LocksBy } from "../../schedule/lock.ts";
import { POLICY_DEFAULT } from "../../schedule/schedule.ts";
import type { NewAttestation } from "../attestations.ts";
import type { NewSchedule } from "../schedules.ts";
import type { Store } from "../store.ts";

export interface Opened {
  store: Store;
  env: FakeEnv;
  close(): Promise<void>;
}

export interface OpenOptions {
  locksBy?: LocksBy;
}

/** Opens a fresh, empty store. Each engine hands in its own. */
export type OpenStore = (options?: OpenOptions) => Promise<Opened>;

const NO_BYTES = new Uint8Array();

/** A job that is due at once. */
export function newJob(env: FakeEnv, job: Partial<NewJob> = {}): NewJob {
  return { id: newId(env, "JB"), handler: "test.work", payload: NO_BYTES, ...job };
}

/** A schedule that fires every minute. */
export function newSchedule(env: FakeEnv, schedule: Partial<NewSchedule> = {}): NewSchedule {
  return {
    id: newId(env, "SC"),
    name: "",
    tenant: "",
    owner: { kind: "person", name: "operator" },
    declaredId: "",
    target: { kind: "handler", handler: "test.work" },
    payload: NO_BYTES,
    spec: { kind: "every", everyMs: 60_000 },
    timezone: "UTC",
    policy: POLICY_DEFAULT,
    locking: "require-global",
    paused: null,
    description: "",
    metadata: {},
    ...schedule,
  };
}

export function newAttestation(env: FakeEnv, attestation: Partial<NewAttestation> = {}): NewAttestation {
  return {
    id: newId(env, "AS"),
    subjects: ["thing"],
    predicates: ["is"],
    contexts: ["_"],
    actors: ["somebody"],
    timestamp: null,
    source: "test",
    attributes: {},
    ...attestation,
  };
}

/** Ends a claimed job as `outcome` says. Resolves with whether it counted. */
export async function end(
  store: Store,
  env: FakeEnv,
  job: HeldJob,
  outcome: Outcome,
): Promise<boolean | undefined> {
  const [kept] = await store.jobs.settle([settle(job, outcome, { now: env.now(), random: 0.5 })]);
  return kept;
}

export const COMPLETED: Outcome = { kind: "completed", result: null, cost: 0 };

export function failed(change: Partial<Extract<Outcome, { kind: "failed" }>> = {}): Outcome {
  return {
    kind: "failed",
    message: "it broke",
    errorKind: "Error",
    permanent: false,
    retryAfterMs: 0,
    cost: 0,
    ...change,
  };
}
