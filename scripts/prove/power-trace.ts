/**
 * Trace: what a host did to its disk and said to others, in the order in which it did
 * it, as strace saw it. A write or a sync counts from its end on, and what is said
 * from its beginning on: so nothing looks safer than it was.
 *
 * A call that may change a file and is not understood here is thrown: a proof that
 * passed over one would prove nothing.
 */

/** One thing that happened to a path, or on the socket that `path` describes; `at` is in milliseconds since 1970. */
export type Event = { at: number; path: string } & Change;

export type Change =
  | { kind: "make"; isFolder: boolean }
  | { kind: "write"; offset: number; bytes: Uint8Array }
  | { kind: "truncate"; size: number }
  | { kind: "sync" }
  | { kind: "remove" }
  | { kind: "rename"; to: string }
  | { kind: "say"; text: string };

const STRING_BYTES_MAX = 1_048_576; // Of one call; more would be cut, and is thrown.

/** The offset of a write that goes to the end of its file, wherever that is. */
export const APPENDS = -1;

/** Every call that may change a file, a name or what others know. */
const CALLS = [
  ..."open openat creat mkdir mkdirat unlink unlinkat rmdir rename renameat renameat2 link linkat".split(" "),
  ..."symlink write pwrite64 writev pwritev pwritev2 ftruncate truncate fallocate copy_file_range".split(" "),
  ..."sendfile fsync fdatasync sync_file_range sendto sendmsg mmap io_uring_setup".split(" "),
];

/** The words that run a program under strace, without the programs that it starts itself. */
export function straceWords(path: string): string[] {
  const which = ["-e", `trace=${CALLS.join(",")}`, "-e", "signal=none", "-s", `${STRING_BYTES_MAX}`];
  return ["strace", "-f", "-b", "execve", "-qq", "-ttt", "-yy", ...which, "-o", path];
}

/** Reads a trace: all that concerns one folder, and what was said over sockets. */
export function readTrace(text: string, folder: string): Event[] {
  const trace = new Trace(folder);
  for (const line of text.split("\n")) trace.line(line);
  return trace.events;
}

const LINE = /^(\d+) +([\d.]+) (.*)$/;
const UNFINISHED = " <unfinished ...>";
const RESUMED = /^<\.\.\. \w+ resumed>/;
const RESULT = /\) += (-?\d+)(?:<([^>]*)>)?[^"]*$/;
const FILE = /^(?:[^"]*, )?\d+<([^>]*)>/;
const SOCKET = /^\d+<((?:UNIX|TCP)[^\]]*\])>/;
const STRING = /"((?:[^"\\]|\\.)*)"/;
const NAMES = new RegExp(`^${STRING.source}(?:, ${STRING.source})?`);

class Trace {
  readonly events: Event[] = [];
  readonly #folder: string;
  /** What a thread has begun and not ended when another came in between. */
  readonly #begun = new Map<string, string>();
  /** Where the next plain write to a path goes. */
  readonly #cursors = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  line(line: string): void {
    const [, thread = "", seconds = "", rest = ""] = LINE.exec(line) ?? [];
    const at = Number(seconds) * 1_000;
    const resumed = RESUMED.exec(rest)?.[0];
    const isOver = !rest.endsWith(UNFINISHED);
    const text = resumed === undefined ? rest : `${this.#begun.get(thread)}${rest.slice(resumed.length)}`;
    const [, call = "", words = ""] = /^(\w+)\((.*)$/.exec(text) ?? [];
    const socket = SOCKET.exec(words)?.[1];
    if (socket !== undefined) {
      if (resumed === undefined) this.events.push({ at, path: socket, kind: "say", text: latin1(words) });
    } else if (isOver && text.includes(this.#folder)) this.#change(at, call, words);
    if (!isOver) this.#begun.set(thread, rest.slice(0, -UNFINISHED.length));
  }

  #change(at: number, call: string, words: string): void {
    const [, result = "", opened = ""] = RESULT.exec(words) ?? [];
    if (result.startsWith("-")) return; // It changed nothing.
    const [, name = "", to = ""] = NAMES.exec(words) ?? [];
    const path = name || opened || (FILE.exec(words)?.[1] ?? "");
    if (path !== this.#folder && !path.startsWith(`${this.#folder}/`)) return;
    const event = this.#event(call, path, { words, to, result: Number(result) });
    if (event === undefined)
      throw new Error(`The trace has what is not understood: ${call}(${words.slice(0, 300)}`);
    if (event !== null) this.events.push({ at, path, ...event });
  }

  /** Null for what changes nothing; absent for what is not understood. */
  #event(
    call: string,
    path: string,
    { words, to, result }: { words: string; to: string; result: number },
  ): Change | null | undefined {
    switch (call) {
      case "open":
      case "openat":
        return this.#opened(path, words);
      case "mkdir":
        return { kind: "make", isFolder: true };
      case "unlink":
      case "rmdir":
        return { kind: "remove" };
      case "rename":
        return { kind: "rename", to };
      case "fsync":
      case "fdatasync":
        return { kind: "sync" };
      case "ftruncate":
        return { kind: "truncate", size: Number(/, (\d+)\) +=/.exec(words)?.[1]) };
      case "pwrite64":
        return {
          kind: "write",
          offset: Number(/, (\d+)\) +=/.exec(words)?.[1]),
          bytes: written(words, result),
        };
      case "write":
        return this.#append(path, written(words, result));
      case "mmap":
        // SQLite's index of its log is no promise: it is made anew from the log.
        return words.includes("MAP_SHARED") && words.includes("PROT_WRITE") && !path.endsWith("-shm")
          ? undefined
          : null;
      default:
        return undefined;
    }
  }

  #opened(path: string, words: string): Change | null {
    const flags = words.replace(STRING, "");
    this.#cursors.set(path, flags.includes("O_APPEND") ? APPENDS : 0);
    if (flags.includes("O_TRUNC") && !flags.includes("O_EXCL"))
      throw new Error(`${path} is emptied as it is opened; that is not understood.`);
    return flags.includes("O_CREAT") ? { kind: "make", isFolder: false } : null;
  }

  #append(path: string, bytes: Uint8Array): Change {
    const offset = this.#cursors.get(path) ?? 0;
    if (offset !== APPENDS) this.#cursors.set(path, offset + bytes.length);
    return { kind: "write", offset, bytes };
  }
}

/** The bytes of a write. Throws when not all of them are in the trace. */
function written(words: string, count: number): Uint8Array {
  const bytes = Buffer.from(latin1(words), "latin1");
  if (bytes.length < count)
    throw new Error(`Of ${count} bytes the trace has ${bytes.length}: ${words.slice(0, 200)}`);
  return bytes.subarray(0, count);
}

/** The first string of a call, one character for each of its bytes. */
function latin1(words: string): string {
  const [, text = ""] = STRING.exec(words.slice(words.indexOf(">, "))) ?? [];
  return text.replace(/\\([0-7]{1,3}|.)/g, (_, code: string) => ESCAPES[code] ?? octal(code));
}

function octal(code: string): string {
  return /^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : code;
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", v: "\v", f: "\f", a: "\x07", b: "\b" };
