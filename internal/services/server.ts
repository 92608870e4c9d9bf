/** The one gRPC server that plugins call back: on loopback, with every service on the same address. */
import { GrpcServer, type RefusedCall } from "../../sdk/typescript/server.ts";
import { Fault, messageOf, withoutStop } from "../base/fault.ts";
import {
  ATSStoreServiceService,
  FetchServiceService,
  type EnqueueMessage,
  HostServiceService,
  LockServiceService,
  QueueServiceService,
  ScheduleServiceService,
  StorageServiceService,
} from "../wire/host.ts";
import { attestationService } from "./attestations.ts";
import { bearerOf, type ServiceOptions } from "./door.ts";
import { Front } from "./front.ts";
import { fetchService } from "./fetch.ts";
import { enqueueFor, hostService } from "./host.ts";
import { lockService } from "./locks.ts";
import { queueService } from "./queue.ts";
import { scheduleService } from "./schedules.ts";
import { storageService } from "./storage.ts";
import { Watches } from "./watches.ts";

const MESSAGE_BYTES_MAX = 4_194_304; // What QNTX's own services take.

export class CallbackServer {
  readonly watches: Watches;
  readonly #options: ServiceOptions;
  readonly #server = new GrpcServer({
    bytesMax: MESSAGE_BYTES_MAX,
    onRefused: (call, why) => this.#tellRefused(call, why),
  });
  readonly #front = new Front(() => this.#port);
  #port = 0;
  #frontAddress = "";

  constructor(options: ServiceOptions) {
    this.watches = new Watches(options.log);
    this.#options = options;
    this.#server.add(ATSStoreServiceService, attestationService(options));
    this.#server.add(QueueServiceService, queueService(options));
    this.#server.add(ScheduleServiceService, scheduleService(options));
    this.#server.add(HostServiceService, hostService(options, this.watches));
    this.#server.add(FetchServiceService, fetchService(options));
    this.#server.add(LockServiceService, lockService(options));
    this.#server.add(StorageServiceService, storageService(options));
  }

  /** `127.0.0.1:port`, once it listens: plugins of our SDK come straight to it, others through its front. */
  endpoint(caller: "ours" | "stranger"): string {
    return caller === "ours" ? `127.0.0.1:${this.#port}` : this.#frontAddress;
  }

  async listen(): Promise<void> {
    try {
      this.#port = await this.#server.listen(0);
    } catch (error) {
      throw new Fault("failed", `The callback server cannot listen: ${messageOf(error)}.`, { cause: error });
    }
    this.#frontAddress = await this.#front.listen();
  }

  /** What a plugin asks for on its job stream, with the token of its process. Never rejects. */
  enqueue(token: string, request: EnqueueMessage) {
    return enqueueFor(this.#options, token, request);
  }

  /** Tells what was not read, and whose it was as far as the call's headers say. */
  #tellRefused(call: RefusedCall, why: string): void {
    const { tokens, onRefused } = this.#options;
    const token = bearerOf(call);
    const principal = token === "" ? null : tokens.principal(token);
    if (principal?.kind === "plugin")
      onRefused?.(principal.plugin, `sent ${call.path} what is not taken: ${withoutStop(why)}`);
  }

  /** Ends all streams and connections. Last of all: plugins that are being stopped may still call. */
  close(): void {
    this.watches.close();
    this.#front.close();
    this.#server.close();
  }
}
