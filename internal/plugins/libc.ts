/** Libc: the two calls of Linux that Bun does not offer: becoming the reaper of orphans, and reaping them. */
import { dlopen, FFIType } from "bun:ffi";

export interface Libc {
  /** Orphans among our descendants become our children instead of init's. False when the kernel refuses. */
  becomeSubreaper(): boolean;
  /** Takes the exit status of one dead child that Bun did not spawn. Never waits. */
  reap(pid: number): void;
}

const PR_SET_CHILD_SUBREAPER = 36; // From linux/prctl.h.
const WNOHANG = 1; // From sys/wait.h.
const { i32, u64, ptr } = FFIType;

const SYMBOLS = {
  prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
  waitpid: { args: [i32, ptr, i32], returns: i32 },
} as const;

/** Opens the C library; null where there is none that we know. */
export function openLibc(): Libc | null {
  if (process.platform !== "linux") return null;
  for (const name of ["libc.so.6", "libc.so"]) {
    try {
      const { symbols } = dlopen(name, SYMBOLS);
      return {
        becomeSubreaper: () => symbols.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) === 0,
        reap: (pid) => void symbols.waitpid(pid, null, WNOHANG),
      };
    } catch {
      // Another C library; the next name may be its.
    }
  }
  return null;
}
