/**
 * Confine role: the last words before a plugin's program. This binary, as the plugin's
 * own user and inside its cgroup already, takes from itself what the program shall not
 * have, and becomes that program: the pid stays, and nothing of the plugin has run before.
 *
 *   __confine core=0,files=1024 /usr/bin/python3 /…/plugin.py --port 0
 *
 * What is given up here cannot be had back: limits are lowered for good, and no program
 * gives more rights than its caller has (no_new_privs), so that neither `sudo` nor a
 * file with capabilities helps.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { isResource, RESOURCES } from "./confine-words.ts";

const PR_SET_NO_NEW_PRIVS = 38; // From linux/prctl.h.
const SIGPIPE = 13; // Bun ignores it, and what is ignored stays so in the next program.
const { i32, u64, ptr: pointer } = FFIType;

const SYMBOLS = {
  setrlimit: { args: [i32, pointer], returns: i32 },
  prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
  signal: { args: [i32, u64], returns: u64 },
  execvp: { args: [pointer, pointer], returns: i32 },
} as const;

/** Becomes the program. Ends with a sentence and code 126, as shells do, when that cannot be. */
export function runConfineRole([limits = "", ...argv]: readonly string[]): never {
  try {
    confine(limits, argv);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  }
  process.exit(126);
}

function confine(limits: string, argv: readonly string[]): void {
  const libc = open();
  for (const [resource, value] of readLimits(limits)) {
    const both = new BigUint64Array([value, value]); // What it has now, and what it may ever raise that to.
    if (libc.setrlimit(resource, ptr(both)) !== 0)
      throw new Error(`The kernel does not set limit ${resource} to ${value}.`);
  }
  if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0)
    throw new Error("The kernel does not know PR_SET_NO_NEW_PRIVS.");
  libc.signal(SIGPIPE, 0);
  const words = argv.map((word) => Buffer.from(`${word}\0`));
  const [program] = words;
  if (!program) throw new Error("There is no program to become.");
  const vector = new BigUint64Array([...words.map((word) => BigInt(ptr(word))), 0n]);
  libc.execvp(ptr(program), ptr(vector));
  throw new Error(`${argv[0]} cannot be started by this user.`);
}

function readLimits(text: string): [resource: number, value: bigint][] {
  return text.split(",").map((pair) => {
    const [name = "", value = ""] = pair.split("=");
    if (!isResource(name)) throw new Error(`There is no limit ${JSON.stringify(name)}.`);
    return [RESOURCES[name], BigInt(value)];
  });
}

function open() {
  for (const name of ["libc.so.6", "libc.so"]) {
    try {
      return dlopen(name, SYMBOLS).symbols;
    } catch {
      // Another C library; the next name may be its.
    }
  }
  throw new Error("There is no C library that we know.");
}
