/** The one gRPC server that plugins call back: on loopback, with every service on the same address. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { Fault } from "../base/fault.ts";
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
import type { ServiceOptions } from "./door.ts";
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
  readonly #server: Server;
  readonly #front = new Front(() => this.#port);
  #port = 0;
  #frontAddress = "";

  constructor(options: ServiceOptions) {
    this.watches = new Watches(options.log);
    this.#options = options;
    this.#server = new Server({ "grpc.max_receive_message_length": MESSAGE_BYTES_MAX });
    this.#server.addService(ATSStoreServiceService, attestationService(options));
    this.#server.addService(QueueServiceService, queueService(options));
    this.#server.addService(ScheduleServiceService, scheduleService(options));
    this.#server.addService(HostServiceService, hostService(options, this.watches));
    this.#server.addService(FetchServiceService, fetchService(options));
    this.#server.addService(LockServiceService, lockService(options));
    this.#server.addService(StorageServiceService, storageService(options));
  }

  /** `127.0.0.1:port`, once it listens: plugins of our SDK come straight to it, others through its front. */
  endpoint(caller: "ours" | "stranger"): string {
    return caller === "ours" ? `127.0.0.1:${this.#port}` : this.#frontAddress;
  }

  async listen(): Promise<void> {
    await this.#listen();
    this.#frontAddress = await this.#front.listen();
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
        if (error)
          return reject(
            new Fault("failed", `The callback server cannot listen: ${error.message}.`, { cause: error }),
          );
        this.#port = port;
        resolve();
      });
    });
  }

  /** What a plugin asks for on its job stream, with the token of its process. Never rejects. */
  enqueue(token: string, request: EnqueueMessage) {
    return enqueueFor(this.#options, token, request);
  }

  /** Ends all streams and connections. Last of all: plugins that are being stopped may still call. */
  close(): void {
    this.watches.close();
    this.#front.close();
    this.#server.forceShutdown();
  }
}
