/**
 * Golden: what the command line prints, one file a case, as a person would see
 * it. `UPDATE=1 bun test cmd/qntx/golden` rewrites the files, and git shows what
 * changed. `QNTX_BIN=dist/qntx` runs the same cases on a compiled binary.
 *
 * A case is a description, files to put there first, and lines for a real shell:
 *
 *   Why this case is here.
 *   ---- file qntx.toml
 *   [serve]
 *   port = 1
 *   ---- run
 *   qntx config check
 *   ---- stdout
 *   ---- stderr
 *   ---- exit 0
 *
 * Each `run` has its own stdout, stderr and exit; an empty one is left out. All
 * runs of a case share one empty folder that is also HOME. `---- host` starts a host
 * there, which ends with the case. What differs from run to run (ids, instants of
 * today, folders, versions) is replaced by names in angle brackets, as `Scrubber` says.
 */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { VERSION } from "../../../internal/base/version.ts";

const FOLDER = import.meta.dir;
const ROOT = resolve(FOLDER, "../../..");
const CASE_TIMEOUT_MS = 60_000; // A loaded machine starts a process in seconds, not in milliseconds.

interface Section {
  /** `file qntx.toml`, `run`, `stdout`, `stderr`, `exit 0`. */
  head: string;
  body: string;
}

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".txt"))) {
  const path = join(FOLDER, name);
  const text = await Bun.file(path).text();
  test.concurrent(
    `${name}: ${text.split("\n", 1)[0]}`,
    async () => {
      const got = await play(text);
      if (process.env["UPDATE"]) await Bun.write(path, got);
      else expect(got).toBe(text);
    },
    CASE_TIMEOUT_MS,
  );
}

/** Runs a case and returns it with what really came out. */
async function play(text: string): Promise<string> {
  const [about = "", ...parts] = text.split(/^---- /m);
  const sections = parts.map((part): Section => {
    const [head = "", ...body] = part.split("\n");
    return { head, body: body.join("\n") };
  });
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "qntx-golden-")));
  const place: Place = { bin: putProgram(folder), home: join(folder, "home"), host: null };
  const scrubber = new Scrubber(place.home);
  mkdirSync(place.home);
  try {
    let got = about;
    for (const section of sections) {
      const isGiven = section.head.startsWith("file ") || ["host", "run"].includes(section.head);
      if (isGiven) got += write(section);
      if (section.head.startsWith("file ")) putFile(place.home, section);
      if (section.head === "host") place.host = await startHost(place);
      if (section.head === "run") got += await shell(section.body, place, scrubber);
    }
    return got;
  } finally {
    place.host?.kill("SIGTERM");
    await place.host?.exited;
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Place {
  bin: string;
  home: string;
  host: Bun.Subprocess | null;
}

/** A `qntx` on the PATH: the compiled binary if one is named, else the source. */
function putProgram(folder: string): string {
  const compiled = process.env["QNTX_BIN"];
  const line = compiled
    ? `exec '${resolve(ROOT, compiled)}' "$@"`
    : `exec '${process.execPath}' '${join(ROOT, "cmd/qntx/main.ts")}' "$@"`;
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "qntx"), `#!/bin/sh\n${line}\n`);
  chmodSync(join(bin, "qntx"), 0o755);
  return bin;
}

function putFile(home: string, { head, body }: Section): void {
  const path = join(home, head.slice("file ".length));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, body);
}

/** Starts a host and returns when it runs jobs. Throws what it said when it ends before that. */
async function startHost(place: Place): Promise<Bun.Subprocess> {
  const words = ["qntx", "serve", "--port", "0"];
  const child = Bun.spawn(words, { ...surroundings(place), stdout: "ignore", stderr: "pipe" });
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("handlers are registered: jobs run")) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`The host ended at once:\n${said}`);
    said += value;
  }
  reader.releaseLock();
  return child;
}

async function shell(line: string, place: Place, scrubber: Scrubber): Promise<string> {
  const child = Bun.spawn(["sh", "-c", line], { ...surroundings(place), stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return [
    stdout === "" ? "" : write({ head: "stdout", body: scrubber.scrub(stdout) }),
    stderr === "" ? "" : write({ head: "stderr", body: scrubber.scrub(stderr) }),
    write({ head: `exit ${code}`, body: "" }),
  ].join("");
}

function surroundings({ bin, home }: Place) {
  const env = { PATH: `${bin}:${process.env["PATH"]}`, HOME: home, TZ: "UTC", LANG: "C.UTF-8" };
  return { cwd: home, env, stdin: "ignore" as const };
}

const NOUNS: Readonly<Record<string, string>> = { SC: "schedule", JB: "job", AS: "statement", AU: "entry" };
const NEAR_MS = 3 * 86_400_000; // Instants that a case gets from the clock; it writes its own ones far away.

/** Puts names in the place of what differs from run to run; one id has one name throughout a case. */
class Scrubber {
  readonly #home: string;
  readonly #ids = new Map<string, string>();

  constructor(home: string) {
    this.#home = home;
  }

  scrub(text: string): string {
    const replaced = this.#fixed().reduce((left, [found, name]) => left.replaceAll(found, name), text);
    return replaced
      .replace(/\b([A-Z]{2})_[0-9A-HJKMNP-TV-Z]{26}\b(  )?/g, (found, prefix: string, gap?: string) => {
        const id = found.trimEnd();
        return inColumn(this.#nameOf(id, prefix), id, gap);
      })
      .replace(/(\d{4}-\d\d-\d\dT[\d:.]+Z)(  )?/g, (found, instant: string, gap?: string) => {
        const isNear = Math.abs(Date.parse(instant) - Date.now()) < NEAR_MS;
        return isNear ? inColumn("<now>", instant, gap) : found;
      });
  }

  #nameOf(id: string, prefix: string): string {
    const noun = NOUNS[prefix] ?? prefix;
    const known = [...this.#ids.values()].filter((name) => name.startsWith(`<${noun}`)).length;
    const name = this.#ids.get(id) ?? `<${noun}${known === 0 ? "" : ` ${known + 1}`}>`;
    this.#ids.set(id, name);
    return name;
  }

  #fixed(): readonly (readonly [string | RegExp, string])[] {
    return [
      [this.#home, "<home>"],
      [/"commit":(null|"[0-9a-f]+(-dirty)?")/g, '"commit":<commit>'],
      [/, commit [0-9a-f]+(-dirty)?/g, ""],
      [VERSION, "<version>"],
      [Bun.version, "<bun>"],
      [`${process.platform}-${process.arch}`, "<platform>"],
      [/127\.0\.0\.1:\d+/g, "127.0.0.1:<port>"],
      [/"pid":\d+/g, '"pid":<pid>'],
      [/\bpid( +)\d+/g, "pid$1<pid>"],
    ];
  }
}

/** What stands in a column keeps its width. */
function inColumn(name: string, found: string, gap = ""): string {
  return gap === "" ? name : name.padEnd(found.length) + gap;
}

function write({ head, body }: Section): string {
  return `---- ${head}\n${body}${body === "" || body.endsWith("\n") ? "" : "\n"}`;
}
