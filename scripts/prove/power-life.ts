/**
 * Life: a host from its start to its orderly end, under strace and under load. Clients
 * enqueue over its socket and a plugin over gRPC, jobs run and talk, schedules fire,
 * and one client goes through everything else that is acknowledged.
 */
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { socketPath } from "../../internal/http/socket.ts";
import type { Rhythm } from "../../internal/serve/e2e/kill-check.ts";
import { Place, type RunningHost, type StartOptions } from "../../internal/serve/e2e/host.ts";
import type { Line } from "../../internal/serve/e2e/witnesses.ts";
import { type Event, readTrace, straceWords } from "./power-trace.ts";

/** One thing that a client asks for, and what the database says once it is done. */
export interface Step {
  /** What it is about, as every answer names it: a later step about the same changes what must hold. */
  subject: string;
  operation: string;
  input: object;
  /** Finds a row when it is so. */
  holds: string;
}

/** What is known of a life when it is over. */
export interface Life {
  name: string;
  events: Event[];
  /** In the order in which they were answered. */
  steps: Step[];
  /** Ids of jobs that clients and the plugin had read in an answer. */
  acknowledged: string[];
  batches: string[][];
  rhythms: Rhythm[];
  /** What ran in the plugin. */
  lines: Line[];
  /** What jobs have said. */
  logs: LogRow[];
  /** The operator's. */
  token: string;
}

/** One line of a job, as the host has kept it. */
export interface LogRow {
  jobId: string;
  seq: number;
  at: number;
}

const SCHEDULES = 4;
const EVERY_MS = 1_000;
const CLIENTS = 3;
const CLIENT_JOBS = 6;
const JOB_MS = 5;
const LINE_MS = 3;
const STEP_PAUSE_MS = 10; // So that others have commits of their own in between.

/** A folder outside of which nothing of the host is kept, and hosts on it. */
export class Ground implements AsyncDisposable {
  readonly place: Place;
  /** What stands for the disk. The data folder in it is made by the host. */
  readonly disk: string;
  readonly data: string;
  readonly #record: string;

  constructor() {
    this.place = new Place();
    this.disk = join(this.place.home, "disk");
    this.data = join(this.disk, "data");
    this.#record = join(this.place.home, "record");
    mkdirSync(this.disk);
    const paths = JSON.stringify([join(this.place.home, "plugins")]);
    this.place.write(
      "qntx.toml",
      `[plugin]\nenabled = ["sower"]\npaths = ${paths}\nbundled = false\n\n[sower]\nrecord = "${this.#record}"\n`,
    );
    this.place.write("plugins/sower.ts", readFileSync(join(import.meta.dir, "testdata/sower.ts"), "utf8"));
  }

  start(options: StartOptions = {}): Promise<RunningHost> {
    const words = ["--config", join(this.place.home, "qntx.toml"), "--no-keeper"];
    return this.place.start({ ...options, words, vars: { QNTX_HOME: this.data } });
  }

  /** Calls an operation of the running host. Throws what it said when it refused. */
  async call<T = Record<string, unknown>>(operation: string, input: object = {}): Promise<T> {
    const answer = await fetch(`http://x/api/v1/call/${operation}`, {
      unix: socketPath(this.data),
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(input),
    });
    if (!answer.ok) throw new Error(`${operation} was refused: ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** What ran in the plugin, in the order of writing. */
  lines(): Line[] {
    if (!existsSync(this.#record)) return [];
    const complete = readFileSync(this.#record, "utf8").split("\n").slice(0, -1);
    return complete.map((line) => JSON.parse(line) as Line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.place[Symbol.asyncDispose]();
  }
}

export interface LifeOptions {
  /** Part of all names, so that lives do not meet. */
  name: string;
  /** How long there is load. */
  loadMs: number;
  /** Another build of the program. */
  program?: string | undefined;
}

/** Lives once on what is on the disk. Throws where there is no strace. */
export async function live(ground: Ground, { name, loadMs, program }: LifeOptions): Promise<Life> {
  if (!Bun.which("strace"))
    throw new Error(
      "strace is not installed; it tells what reaches the disk. On Debian: apt-get install strace",
    );
  const trace = join(ground.place.home, `trace-${name}`);
  const host = await ground.start({ under: straceWords(trace), ...(program && { program: [program] }) });
  const life: Life = {
    name,
    events: [],
    steps: [],
    acknowledged: [],
    batches: [],
    rhythms: [],
    lines: [],
    logs: [],
    token: "",
  };
  try {
    await ground.place.working();
    await load(ground, life, Date.now() + loadMs);
    process.kill(host.pid, "SIGTERM"); // To strace it would say nothing.
    await host.process.exited;
  } finally {
    if (host.process.exitCode === null) await host.killHost(); // Without strace it would live on.
  }
  life.events = readTrace(readFileSync(trace, "utf8"), ground.disk);
  life.lines = ground.lines();
  life.token = readFileSync(join(ground.data, "operator.token"), "utf8");
  using logs = new Database(join(ground.data, "logs.db"), { readonly: true });
  life.logs = logs.query<LogRow, []>("SELECT job_id AS jobId, seq, at FROM job_log").all();
  return life;
}

/** Everybody at once, until it is time. */
async function load(ground: Ground, life: Life, until: number): Promise<void> {
  const { name } = life;
  const sow = { handler: "sower.sow", payload: { prefix: `${name}-g`, until } };
  const { id } = await ground.call<{ id: string }>("job.enqueue", sow);
  await ground.call("job.enqueue", { handler: "sower.count", payload: { everyMs: LINE_MS, until } });
  for (let n = 0; n < SCHEDULES; n++) life.rhythms.push(await makeRhythm(ground, `${name}-every-${n}`));
  const clients = Array.from({ length: CLIENTS }, (_, n) =>
    enqueueUntil(ground, life, `${name}-c${n}`, until),
  );
  await Promise.all([tell(ground, life, name, until), ...clients]);
  const { result } = await ground.call<{ result: string[] }>("job.wait", { id });
  life.acknowledged.push(...result);
}

async function makeRhythm(ground: Ground, name: string): Promise<Rhythm> {
  const input = {
    name,
    handler: "sower.work",
    every: `${EVERY_MS}ms`,
    overlap: "allow",
    payload: { ms: JOB_MS },
  };
  const { id, createdAt } = await ground.call<{ id: string; createdAt: string }>("schedule.create", input);
  return { id, anchor: Date.parse(createdAt), everyMs: EVERY_MS, overlaps: true };
}

/** Enqueues batches, one after the other. */
async function enqueueUntil(ground: Ground, life: Life, prefix: string, until: number): Promise<void> {
  for (let batch = 0; Date.now() < until; batch++) {
    const ids = Array.from({ length: CLIENT_JOBS }, (_, n) => `${prefix}-${batch}-${n}`);
    const jobs = ids.map((id) => ({ id, handler: "sower.work", payload: { ms: JOB_MS } }));
    life.batches.push(ids);
    await ground.call("job.enqueueMany", { jobs });
    life.acknowledged.push(...ids);
  }
}

/** Goes through all else that is acknowledged, round after round. */
async function tell(ground: Ground, life: Life, name: string, until: number): Promise<void> {
  for (let round = 0; Date.now() < until; round++) {
    for (const step of story(`${name}-r${round}`, round % 2 === 0)) {
      await ground.call(step.operation, step.input);
      life.steps.push(step);
      await Bun.sleep(STEP_PAUSE_MS);
    }
  }
}

function story(name: string, ends: boolean): Step[] {
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  const job = (id: string, operation: string, input: object, holds: string): Step => ({
    subject: id,
    operation,
    input: { id, ...input },
    holds: `SELECT 1 FROM job WHERE id = '${id}' AND ${holds}`,
  });
  const schedule = (verb: string, state: string, input: object = { id: `${name}-plan` }): Step => ({
    subject: `${name}-plan`,
    operation: `schedule.${verb}`,
    input,
    holds: `SELECT 1 FROM schedule WHERE name = '${name}-plan' AND state = '${state}'`,
  });
  const there = (table: string, subject: string, operation: string, input: object): Step => ({
    subject,
    operation,
    input: { name: subject, ...input },
    holds: `SELECT 1 FROM ${table} WHERE ${table === "blackout" ? "name" : "field = 'subject' AND value"} = '${subject}'`,
  });
  const work = { handler: "sower.work" };
  return [
    job(`${name}-later`, "job.enqueue", { ...work, runAt: inAnHour }, "state = 'scheduled'"),
    job(`${name}-run`, "job.enqueue", work, "true"),
    schedule("create", "active", { name: `${name}-plan`, ...work, every: "1h" }),
    there("attestation_value", `${name}-script`, "handler.create", { lang: "ts", code: "export default 1;" }),
    schedule("pause", "paused"),
    there("blackout", `${name}-closed`, "blackout.set", {
      ranges: [{ from: inAnHour, to: "2100-01-01T00:00:00Z" }],
    }),
    job(`${name}-later`, "job.cancel", {}, "state = 'cancelled'"),
    job(`${name}-run`, "job.wait", {}, "state = 'completed'"),
    schedule("resume", "active"),
    ...(ends ? [schedule("delete", "deleted")] : []),
  ];
}
