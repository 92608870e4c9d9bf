/** Flows: what the end of a job means for others: those that wait for it, and its children. */

/** What one step did. */
export interface FlowStep {
  /** Running jobs that were asked to end: whoever holds one is to be told. */
  stopped: string[];
  /** True when jobs may be due that waited. */
  released: boolean;
  /** True when there is more to do. */
  more: boolean;
}

export interface FlowStore {
  /**
   * Does some of what ended jobs mean for others: a job that waited for the last of them is due, one that
   * waited for what failed fails with it (or cancels the rest), children of a cancelled job are cancelled.
   * What is left is on disk, and the next step, also of a later boot, goes on with it.
   */
  step(limit: number): Promise<FlowStep>;
  /** Calls back when there may be something to do. */
  onWork(onWork: () => void): void;
}
