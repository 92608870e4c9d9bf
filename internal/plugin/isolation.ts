/**
 * Isolation: what a plugin's processes are held to. A guest is held to something
 * whatever anybody says; a trusted plugin to what `[isolation.NAME]` says, or to nothing.
 */

/** What a plugin may take. Absent: as much as there is. */
export interface IsolationLimits {
  memoryBytes?: number;
  /** 0.5 is half of one processor. */
  cores?: number;
  /** Processes and threads, all together. */
  processes?: number;
  /** Files, pipes and connections that one process has open. */
  files?: number;
  /** How large a file may grow that it writes. */
  fileSizeBytes?: number;
}

/** What a guest may take where nothing else was said. */
export const GUEST_LIMITS: Required<IsolationLimits> = {
  memoryBytes: 1_073_741_824, // 1 GiB: a runtime with its libraries needs a tenth, what it works on has the rest.
  cores: 1, // One that spins leaves the others to the host.
  processes: 256, // Threads count, and runtimes have twenty.
  files: 1_024, // What systems give by default.
  fileSizeBytes: 1_073_741_824, // 1 GiB: no single file fills a disk.
};

/** One limit in words, and who sees to it. */
export interface HeldTo {
  limit: "memory" | "cpu" | "processes" | "files" | "file size";
  /** `512 MiB`, `0.5 cores`. */
  most: string;
  by: string;
}

/** How a plugin's process is kept apart from everything else, as people are shown it. */
export interface Isolation {
  /** The user that it runs as. */
  user: string;
  limits: readonly HeldTo[];
  /** What is not so, and why. */
  notes: readonly string[];
}

/** The isolation of what is not started by the host. */
export const NOT_ISOLATED: Isolation = { user: "", limits: [], notes: [] };
