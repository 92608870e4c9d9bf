/**
 * Access: one plugin that is installed for two tenants, and another plugin of one of
 * them, on a real host; and every method that plugins can call, with what it could
 * reach of somebody else. Tests ask whether it does, a proof how long the answer takes.
 */
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import * as ats from "../../../proto/gen/protocol/atsstore.ts";
import * as web from "../../../proto/gen/protocol/fetch.ts";
import * as queue from "../../../proto/gen/protocol/queue.ts";
import * as legacy from "../../../proto/gen/protocol/schedule.ts";
import * as host from "../../../proto/gen/qntx/v1/host.ts";
import * as lock from "../../../proto/gen/qntx/v1/lock.ts";
import * as storage from "../../../proto/gen/qntx/v1/storage.ts";
import { CAPABILITY_NAMES } from "../../access/capability.ts";
import { Place } from "./host.ts";

const GEN = join(import.meta.dir, "../../../proto/gen");
const SERVED_BY_PLUGINS = ["protocol.DomainPluginService", "qntx.v1.PluginService"];
const NOT_GRANTED = "cap:queue.enqueue-any"; // It reaches others' handlers, and is meant to.
const LATER = "2099-01-01T00:00:00Z"; // Jobs that stay where they are.

/** A method of a service that the host serves. */
export interface Method {
  /** `QueueService.GetJob`. */
  name: string;
  path: string;
  stream: boolean;
  decode(bytes: Buffer): unknown;
}

/** Every method of every service in the protocol but those that plugins serve. */
export async function methods(): Promise<Method[]> {
  const found: Method[] = [];
  for (const file of new Bun.Glob("**/*.ts").scanSync(GEN)) {
    const module: Record<string, unknown> = await import(join(GEN, file));
    for (const [name, service] of Object.entries(module))
      if (name.endsWith("Service") && isService(service)) found.push(...methodsOf(service));
  }
  return found
    .filter(({ path }) => !SERVED_BY_PLUGINS.some((service) => path.startsWith(`/${service}/`)))
    .toSorted((a, b) => a.name.localeCompare(b.name));
}

type Definition = Record<
  string,
  { path: string; responseStream: boolean; responseDeserialize(bytes: Buffer): unknown }
>;

function isService(value: unknown): value is Definition {
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(
    (each: unknown) => typeof each === "object" && each !== null && "path" in each,
  );
}

function methodsOf(service: Definition): Method[] {
  return Object.values(service).map(({ path, responseStream, responseDeserialize }) => ({
    name: path.slice(1).replace("/", ".").split(".").slice(-2).join("."),
    path,
    stream: responseStream,
    decode: responseDeserialize,
  }));
}

/** What a plugin has that others could reach for: its ids. */
export interface Things {
  job: string;
  schedule: string;
  attestation: string;
  key: string;
  /** A name that the configuration has for it. */
  secret: string;
}

/** What nobody has. */
export const NOTHING: Things = {
  job: "JB-nothing",
  schedule: "SC-nothing",
  attestation: "AS-nothing",
  key: "KY-nothing",
  secret: "SECRET-nothing",
};

export interface Call {
  token: string;
  /** One of the caller's own. */
  handler: string;
  things: Things;
  /** A number that no other call has, for names. */
  turn: number;
}

/** Writes the request of a call. */
export type Asking = (call: Call) => Uint8Array;

export type Row =
  /** Names a thing; `tenant`: which all plugins of its tenant may see. */
  | { names: keyof Things; ask: Asking; tenant?: true }
  | { lists: keyof Things; ask: Asking; tenant?: true }
  /** Makes something of one's own, and names nothing. */
  | { makes: Asking }
  /** Tells of statements as they are made; `access.test.ts` follows it. */
  | { follows: Asking };

interface Type<T, P> {
  fromPartial(partial: P): T;
  encode(message: T): { finish(): Uint8Array };
}

function of<T, P>({ fromPartial, encode }: Type<T, P>, make: (call: Call) => P): Asking {
  return (call) => encode(fromPartial(make(call))).finish();
}

const statement = ({ turn }: Call) => ({
  subjects: [`subject-${turn}`],
  predicates: ["is"],
  contexts: ["known"],
});
const schedule = <T>(type: Type<T, { authToken: string; scheduleId: string }>): Row => ({
  names: "schedule",
  ask: of(type, ({ token, things }) => ({ authToken: token, scheduleId: things.schedule })),
});
const own = <T, P extends { id?: string }>(type: Type<T, P>, ask: (call: Call) => P): Row => ({
  names: "schedule",
  ask: of(type, ask),
});
const ref = ({ things }: Call) => ({ id: things.schedule });

/** What each method could reach. What only looks stands before what changes, and what deletes is last. */
export const ROWS: Readonly<Record<string, Row>> = {
  "ATSStoreService.AttestationExists": {
    names: "attestation",
    tenant: true,
    ask: of(ats.AttestationExistsRequest, ({ token, things }) => ({
      authToken: token,
      id: things.attestation,
    })),
  },
  "ATSStoreService.GetAttestations": {
    lists: "attestation",
    tenant: true,
    ask: of(ats.GetAttestationsRequest, ({ token }) => ({ authToken: token })),
  },
  "ATSStoreService.GetAttestationsStream": {
    lists: "attestation",
    tenant: true,
    ask: of(ats.GetAttestationsRequest, ({ token }) => ({ authToken: token })),
  },
  "ATSStoreService.CreateAttestation": {
    makes: of(ats.CreateAttestationRequest, (call) => ({
      authToken: call.token,
      attestation: statement(call),
    })),
  },
  "ATSStoreService.GenerateAndCreateAttestation": {
    makes: of(ats.GenerateAttestationRequest, (call) => ({
      authToken: call.token,
      command: statement(call),
    })),
  },
  "ATSStoreService.BatchGenerateAndCreateAttestations": {
    makes: of(ats.BatchGenerateAttestationRequest, (call) => ({
      authToken: call.token,
      commands: [statement(call)],
    })),
  },
  "QueueService.GetJob": {
    names: "job",
    ask: of(queue.GetJobRequest, ({ token, things }) => ({ authToken: token, jobId: things.job })),
  },
  "QueueService.ListJobs": {
    lists: "job",
    ask: of(queue.ListJobsRequest, ({ token }) => ({ authToken: token, limit: 1_000 })),
  },
  "HostService.GetSecret": {
    names: "secret",
    ask: of(host.GetSecretRequest, ({ things }) => ({ name: things.secret })),
  },
  "QueueService.Enqueue": {
    names: "job",
    ask: of(queue.EnqueueRequest, ({ token, handler, things }) => ({
      authToken: token,
      job: { handlerName: handler, parentJobId: things.job },
    })),
  },
  "HostService.Enqueue": {
    names: "job",
    ask: of(host.EnqueueRequest, ({ handler, things }) => ({
      jobs: [{ handler, waitFor: [things.job], runAt: LATER }],
    })),
  },
  "QueueService.UpdateJob": {
    names: "job",
    ask: of(queue.UpdateJobRequest, ({ token, things }) => ({
      authToken: token,
      job: { id: things.job, status: "cancelled" },
    })),
  },
  "ScheduleService.GetSchedule": schedule(legacy.GetScheduleRequest),
  "HostService.GetSchedule": own(host.ScheduleRef, ref),
  "HostService.ListSchedules": { lists: "schedule", ask: of(host.ListSchedulesRequest, () => ({})) },
  "HostService.GetEndpoints": { makes: of(host.GetEndpointsRequest, () => ({})) },
  "ScheduleService.CreateSchedule": {
    makes: of(legacy.CreateScheduleRequest, ({ token, handler }) => ({
      authToken: token,
      handlerName: handler,
      intervalSeconds: 86_400,
    })),
  },
  "HostService.CreateSchedule": {
    makes: of(host.CreateScheduleRequest, ({ turn, handler }) => ({
      name: `own-${turn}`,
      handler,
      every: "30d",
    })),
  },
  "HostService.UpdateSchedule": own(host.UpdateScheduleRequest, ({ things }) => ({
    id: things.schedule,
    description: "meddled with",
  })),
  "ScheduleService.PauseSchedule": schedule(legacy.PauseScheduleRequest),
  "HostService.PauseSchedule": own(host.PauseScheduleRequest, ref),
  "ScheduleService.ResumeSchedule": schedule(legacy.ResumeScheduleRequest),
  "HostService.ResumeSchedule": own(host.ScheduleRef, ref),
  "HostService.DeleteSchedule": own(host.ScheduleRef, ref),
  "ScheduleService.DeleteSchedule": schedule(legacy.DeleteScheduleRequest),
  "HostService.WatchAttestations": { follows: of(host.WatchAttestationsRequest, () => ({})) },
  // It is refused; what was attested before is a tenant's, and is asked for as any statement.
  "FetchService.Fetch": {
    makes: of(web.FetchRequest, ({ token }) => ({ authToken: token, url: "http://127.0.0.1/" })),
  },
  "LockService.TryLock": {
    makes: of(lock.TryLockRequest, () => ({ key: "the same for everybody", ttlMs: 60_000, holder: "me" })),
  },
  "HostService.GetContext": { makes: of(host.GetContextRequest, () => ({})) },
  "StorageService.Get": {
    names: "key",
    ask: of(storage.GetStoredRequest, ({ things: { key } }) => ({ key })),
  },
  "StorageService.List": { lists: "key", ask: of(storage.ListStoredRequest, () => ({ limit: 1_000 })) },
  "StorageService.Set": { makes: of(storage.SetStoredRequest, () => ({ key: "the same for everybody" })) },
  // That it leaves another's where it is, is asked of the operation (access-matrix.test.ts).
  "StorageService.Delete": { makes: of(storage.DeleteStoredRequest, ({ things: { key } }) => ({ key })) },
  // Whoever has the token has the lock: nothing else is named.
  "LockService.Renew": { makes: of(lock.RenewLockRequest, () => ({ token: "none", ttlMs: 60_000 })) },
  "LockService.Release": { makes: of(lock.ReleaseLockRequest, () => ({ token: "none" })) },
};

export interface Answer {
  /** False for a gRPC status, and for QNTX's `success: false`. */
  ok: boolean;
  /** Everything that was answered, as text. */
  text: string;
  code: status;
}

/** Who asks: an installed plugin, by the token that its running process has. */
export interface Keyholder {
  name: string;
  token: string;
  handler: string;
}

const SECRET_NAME = "SECRET_OF_ACME";
const PLUGINS = ["keys-acme", "keys-globex", "bystander"];

/** They change more schedules in a minute than a guest may, and keep more: what they reach is asked here, and not how much. */
export const roomy = (name: string) =>
  `[quota.${name}]\nschedules = 10000\nscheduleWritesPerMinute = 10000\n`;

/** The host, its three plugins and what they have. */
export class Access implements AsyncDisposable {
  readonly place = new Place(
    `[plugin]\nbundled = false\n${PLUGINS.map(roomy).join("")}[secrets."acme/keys-acme"]\n${SECRET_NAME} = "file:acme.key"\n`,
  );
  readonly #clients: Client[] = [];
  #turn = 0;

  async start(): Promise<void> {
    this.place.write("acme.key", "what acme keeps");
    await this.place.start();
    await this.place.working();
    for (const [name, tenant, announced] of [
      ["keys-acme", "acme", "keyholder"],
      ["keys-globex", "globex", "keyholder"],
      ["bystander", "acme", "bystander"],
    ] as const) {
      const file = this.place.write(`${announced}.ts`, program(announced));
      const capabilities = CAPABILITY_NAMES.filter((capability) => capability !== NOT_GRANTED);
      const { code, stderr } = await this.place.cli([
        "plugin",
        "install",
        file,
        "--name",
        name,
        "--tenant",
        tenant,
      ]);
      if (code !== 0) throw new Error(stderr);
      await this.place.call("plugin.grant", { name, capabilities });
    }
    this.#clients.push(new Client(this.#told("keys-acme").queue_endpoint, credentials.createInsecure()));
  }

  /** Who holds the token that this plugin's process was given last. */
  keyholder(name: string): Keyholder {
    const handler = name === "bystander" ? "bystander.work" : "keyholder.work";
    return { name, token: this.#told(name).auth_token, handler };
  }

  /** Makes what a plugin has, as that plugin. */
  async things({ token, handler }: Keyholder): Promise<Things> {
    const all = await methods();
    const call = { token, handler, things: NOTHING, turn: this.#turn++ };
    const made = async <T>(name: string, asking: Asking, read: (bytes: Buffer) => T): Promise<T> => {
      const method = all.find((each) => each.name === name);
      if (!method) throw new Error(`There is no method ${name}.`);
      return read((await this.#send({ ...method, decode: (bytes) => bytes }, token, asking(call))) as Buffer);
    };
    const jobs = of(host.EnqueueRequest, () => ({ jobs: [{ handler, runAt: LATER }] }));
    const enqueued = await made("HostService.Enqueue", jobs, host.EnqueueResponse.decode);
    const schedules = of(host.CreateScheduleRequest, () => ({ handler, every: "30d" }));
    const scheduled = await made("HostService.CreateSchedule", schedules, host.Schedule.decode);
    const statements = of(ats.GenerateAttestationRequest, () => ({
      authToken: token,
      command: statement(call),
    }));
    const said = await made(
      "ATSStoreService.GenerateAndCreateAttestation",
      statements,
      ats.GenerateAttestationResponse.decode,
    );
    const stores = of(storage.SetStoredRequest, ({ turn }) => ({ key: `KY-${turn}` }));
    const stored = await made("StorageService.Set", stores, storage.StoredKey.decode);
    return {
      key: stored.key,
      job: enqueued.jobs[0]?.id ?? "",
      schedule: scheduled.id,
      attestation: said.attestation?.id ?? "",
      secret: SECRET_NAME,
    };
  }

  /** Asks, and gives the answer whatever it is. */
  async ask(
    method: Method,
    { token, handler }: Omit<Keyholder, "name">,
    asking: Asking,
    things: Things,
  ): Promise<Answer> {
    try {
      const answered = await this.#send(
        method,
        token,
        asking({ token, handler, things, turn: this.#turn++ }),
      );
      const text = JSON.stringify(answered);
      return {
        ok: !text.startsWith('{"success":false') && text !== '{"exists":false}',
        text,
        code: status.OK,
      };
    } catch (error) {
      if (!isStatus(error)) throw error;
      return { ok: false, text: `${error.code} ${error.details} ${error.trailer}`, code: error.code };
    }
  }

  #send(method: Method, token: string, bytes: Uint8Array): Promise<unknown> {
    const [client] = this.#clients;
    if (!client) throw new Error("The host has not started.");
    const metadata = new Metadata();
    if (token !== "") metadata.set("authorization", `Bearer ${token}`);
    const send = (message: Uint8Array) => Buffer.from(message);
    const { path, decode } = method;
    return new Promise((resolve, reject) => {
      const refuse = ({
        code,
        details,
        metadata: trailers,
      }: {
        code: status;
        details: string;
        metadata: Metadata;
      }) => reject({ code, details, trailer: trailers.get("qntx-fields-bin").join() });
      if (method.stream) {
        const all: unknown[] = [];
        const stream = client.makeServerStreamRequest(path, send, decode, bytes, metadata);
        stream.on("data", (message) => all.push(message));
        stream.on("error", refuse);
        stream.on("end", () => resolve(all));
      } else {
        client.makeUnaryRequest(path, send, decode, bytes, metadata, (error, answer) =>
          error ? refuse(error) : resolve(answer),
        );
      }
    });
  }

  /** Follows statements until the stream is ended; resolves when it is open. */
  async follow(token: string, onStatement: (text: string) => void): Promise<() => void> {
    const [client] = this.#clients;
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${token}`);
    const { path, responseDeserialize } = host.HostServiceService.watchAttestations;
    const stream = client?.makeServerStreamRequest(
      path,
      (none: Buffer) => none,
      responseDeserialize,
      Buffer.alloc(0),
      metadata,
    );
    if (!stream) throw new Error("The host has not started.");
    stream.on("error", () => {}); // Its end, by ourselves.
    stream.on("data", (message) => onStatement(JSON.stringify(message)));
    await new Promise((resolve) => stream.once("metadata", resolve));
    return () => stream.cancel();
  }

  #told(name: string): { queue_endpoint: string; auth_token: string } {
    const data = join(this.place.home, "plugins-data");
    const folder = readdirSync(data).find((entry) => entry.split("@").at(-1) === name) ?? name; // acme@name
    const file = join(data, folder, "told.json");
    if (!existsSync(file)) throw new Error(`${basename(file)} of ${name} is not there.`);
    return JSON.parse(readFileSync(file, "utf8"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.place[Symbol.asyncDispose]();
  }
}

function isStatus(error: unknown): error is { code: status; details: string; trailer: string } {
  return typeof error === "object" && error !== null && "trailer" in error;
}

/** A plugin of QNTX's own kind, which leaves what it was told where the test finds it. */
function program(name: string): string {
  return `import { renameSync, writeFileSync } from "node:fs";
export default {
  name: "${name}", version: "1", handler_names: ["${name}.work"],
  init(request) { writeFileSync("told.new", JSON.stringify(request)); renameSync("told.new", "told.json"); },
};`;
}
