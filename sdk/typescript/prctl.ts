/** Prctl: what a process asks of the Linux kernel about itself. Elsewhere these do nothing. */
import { dlopen, FFIType } from "bun:ffi";

/** Keeps other processes of the same user from reading our memory, where the token is. */
export function hideMemory(): void {
  prctl(PR_SET_DUMPABLE, 0);
}

/** Has the kernel kill this process when the one that started it is gone, however that one ended. */
export function dieWithParent(): void {
  const parent = process.ppid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (process.ppid !== parent) process.exit(1); // It was gone before we asked.
}

const PR_SET_PDEATHSIG = 1; // From linux/prctl.h, as is the next.
const PR_SET_DUMPABLE = 4;
const SIGKILL = 9;

function prctl(option: number, value: number): void {
  if (process.platform !== "linux") return;
  const { u64, i32 } = FFIType;
  for (const libc of ["libc.so.6", "libc.so"]) {
    try {
      const { symbols } = dlopen(libc, { prctl: { args: [i32, u64, u64, u64, u64], returns: i32 } });
      symbols.prctl(option, value, 0, 0, 0);
      return;
    } catch {
      // Another libc; the next name may be its.
    }
  }
}
