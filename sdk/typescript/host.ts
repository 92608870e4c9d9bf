/**
 * Host: what a plugin may ask of the program that runs it. One address serves
 * all services; the token of this process goes with every call.
 */
import { HostServiceService } from "../../proto/gen/qntx/v1/host.ts";
import { createAttestations } from "./attestations.ts";
import { asking, HostLine, type HostPlace } from "./call.ts";
import { Channel, type Clock } from "./channel.ts";
import { enqueuing, type EnqueueStream } from "./enqueuing.ts";
import { createLocks } from "./locks.ts";
import type { Host, JobLog } from "./qntx.ts";
import { createQueue } from "./queue.ts";
import { createScheduler } from "./scheduler.ts";
import { createSecrets } from "./secrets.ts";
import { NO_SERVICES } from "./services.ts";
import { createStorage } from "./storage.ts";
import { createWeb } from "./web.ts";

export const MESSAGE_BYTES_MAX = 104_857_600; // 100 MiB, as QNTX allows.

/** The real world. */
export const CLOCK: Clock = {
  mono: () => performance.now(),
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
};

/** What Initialize told: where the host is and who we are to it. */
export interface HostAddress extends HostPlace {
  config: Record<string, string>;
}

/** What is not asked of the host, and the job stream that is open to it, if one is. */
export interface HostParts {
  log: JobLog;
  setJobs: Host["setJobs"];
  services?: Host["services"];
  stream?: () => EnqueueStream | undefined;
}

export interface HostClient {
  host: Host;
  /** The host is elsewhere now, or knows us by another token. */
  move(place: HostPlace): void;
  close(): void;
}

/** Connects (lazily) to the host. */
export function connectHost(
  { address, token, config }: HostAddress,
  { log, setJobs, services = NO_SERVICES, stream = () => undefined }: HostParts,
): HostClient {
  // Without an address every call fails with UNAVAILABLE and says where it tried.
  const open = (at: string) =>
    new Channel(CLOCK, { address: at || "127.0.0.1:1", bytesMax: MESSAGE_BYTES_MAX });
  const line = new HostLine({ address, token }, open);
  const ask = asking(line);
  return {
    host: {
      config: Object.freeze({ ...config }),
      log,
      scheduler: createScheduler(ask),
      queue: createQueue(enqueuing(ask, stream)),
      ats: createAttestations({ ask, line, log }),
      locks: createLocks(ask),
      secrets: createSecrets(ask),
      http: createWeb(ask, line),
      storage: createStorage(ask),
      services,
      context: () => ask(HostServiceService.getContext, {}),
      setJobs,
    },
    move: (place) => line.move(place),
    close: () => line.close(),
  };
}
