/** The seam of named blackouts. */
import type { NamedBlackout } from "../schedule/named-blackout.ts";
import type { Page, PageRequest } from "./page.ts";

export type NewBlackout = Omit<NamedBlackout, "createdAt" | "updatedAt">;

export interface BlackoutSet {
  blackout: NamedBlackout;
  created: boolean;
  /** How many schedules have other spans now. */
  schedules: number;
}

/** Why a blackout was not deleted: schedules observe it. */
export interface BlackoutInUse {
  inUse: { id: string; name: string }[];
}

export interface BlackoutStore {
  /** By name. */
  list(page: PageRequest): Promise<Page<NamedBlackout>>;
  get(name: string): Promise<NamedBlackout | null>;
  /** Schedules, not deleted, that observe it; at most `limit`. */
  usersOf(name: string, limit: number): Promise<{ id: string; name: string }[]>;
  /** Makes it, or makes it so; each schedule that observes it is changed with it. */
  set(blackout: NewBlackout): Promise<BlackoutSet>;
  /** Null when there is none. */
  delete(name: string): Promise<NamedBlackout | null | BlackoutInUse>;
}
