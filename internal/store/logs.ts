/** The seam of logs: what jobs say. */
import type { Millis } from "../base/env.ts";

/** A stored line of a job. `seq` counts from 1 without gaps, but for a marked one. */
export interface LogLine {
  seq: number;
  at: Millis;
  attempt: number;
  level: string;
  message: string;
  stage: string;
  fields: string;
}

export type NewLogLine = Omit<LogLine, "seq">;

export interface LogStore {
  /** Takes lines at once and makes them durable within a second. Beyond `bytesMax`, or the cap of all jobs, they become one marker. */
  append(jobId: string, lines: readonly NewLogLine[], bytesMax?: number): void;
  /** Lines with `seq > after`, in order. */
  read(jobId: string, request: { after?: number; limit?: number }): Promise<LogLine[]>;
  flush(): Promise<void>;
}
