/** The seam of nodes: which boots are alive. */
import type { Millis } from "../base/env.ts";
import type { PruneRequest, Pruned } from "./prune.ts";

export interface BootLease {
  bootId: string;
  nodeId: string;
  version: string;
  leaseMs: Millis;
  /** True when the clock is believed: then the time is recorded, for the next boot to compare. */
  seen: boolean;
}

export interface NodeStore {
  /** The stable id of this node, made on first use. */
  nodeId(): Promise<string>;
  /** Says that a boot is alive for `leaseMs` from now. False when its lease was already taken from it. */
  renew(boot: BootLease): Promise<boolean>;
  /** The newest time that any boot recorded; null in a new store. */
  lastSeenAt(): Promise<Millis | null>;
  /** Ends a boot: its jobs may be taken at once. */
  release(bootId: string): Promise<void>;
  /** Forgets boots whose lease ended before then, and that hold nothing any more. */
  prune(request: PruneRequest): Promise<Pruned>;
}
