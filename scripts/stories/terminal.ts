/**
 * Terminal: does what a page says, in a folder and on a data folder of its own.
 *
 * Commands run on a real pseudo-terminal, one after the other. `… &` goes to the
 * background, and `%1` is the newest of these. A command that only looks is
 * repeated until it shows what was written: a reader looks again, too.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { socketPath } from "../../internal/http/socket.ts";
import { QNTX } from "../../internal/serve/e2e/host.ts";
import { PYTHON_PATH } from "../../internal/serve/e2e/python.ts";
import { ROOT } from "../steps.ts";
import type { Step } from "./fences.ts";
import { type Ids, match, translated } from "./match.ts";

const COLUMNS = 100;
const LIMIT_MS = 60_000; // Of one command, repetitions included: the machine may be busy with other tests.
const LOOK_MS = 100;
const PORT_WRITTEN = "8877";
const HOME_WRITTEN = "/home/ada";
/** Commands that change nothing, or that one may try again. */
const LOOKS =
  /^(qntx (status|doctor|handler run|(schedule|job|handler|plugin|audit) (list|show|logs|next|ledger|history)|ats query)\b|cat |curl (?!.*(-X|-d|--json)))/;

interface Answer {
  code: number;
  lines: string[];
}

/** A reader of one page. */
export class Terminal implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "qntx-docs-"));
  readonly #port = freePort();
  #ids: Ids = new Map();
  #background: Bun.Subprocess | null = null;

  constructor() {
    const words = QNTX.map((word) => `'${word}'`).join(" ");
    this.#write("bin/qntx", `#!/bin/sh\nexec ${words} "$@"\n`, 0o755);
    mkdirSync(join(this.#folder, "path/to"), { recursive: true });
    symlinkSync(ROOT, join(this.#folder, "path/to/qntx")); // As pages call a clone of this repository.
  }

  /** Does one step. Throws what was expected and what came instead. */
  async do(step: Step): Promise<void> {
    if (step.kind === "file") this.#write(step.path, this.#local(step.text));
    else if (step.command.endsWith(" &")) await this.#start(step.command.slice(0, -2));
    else if (/^kill( -9)? %1$/.test(step.command))
      await this.#end(step.command.includes("-9") ? "SIGKILL" : "SIGTERM");
    else await this.#ask(step);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#background) await this.#end("SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ask({ command, expected, line }: Extract<Step, { kind: "command" }>): Promise<void> {
    const words = this.#local(translated(command, this.#ids));
    const patient = LOOKS.test(command);
    for (const until = performance.now() + LIMIT_MS; ; await Bun.sleep(LOOK_MS)) {
      const answer = await this.#run(words);
      const known = expected.length === 0 && answer.code !== 0 ? null : this.#matches(expected, answer);
      if (known) return void (this.#ids = known);
      if (!patient || performance.now() >= until) {
        const shown = answer.lines.join("\n");
        throw new Error(
          `line ${line}: $ ${command}\nwas answered with code ${answer.code}:\n${shown}${this.#hostLog()}`,
        );
      }
    }
  }

  #matches(expected: readonly string[], { lines }: Answer): Ids | null {
    return match(
      expected.map((line) => this.#local(line)),
      lines,
      this.#ids,
    );
  }

  async #run(command: string): Promise<Answer> {
    const decoder = new TextDecoder();
    let text = "";
    const terminal = {
      cols: COLUMNS,
      rows: 50,
      data: (_: unknown, bytes: Uint8Array) => void (text += decoder.decode(bytes, { stream: true })),
    };
    const child = Bun.spawn(["bash", "-c", command], { ...this.#place(), terminal });
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    const code = await child.exited;
    clearTimeout(timer);
    child.terminal?.close();
    return { code, lines: text.replaceAll("\r\n", "\n").trimEnd().split("\n") };
  }

  async #start(command: string): Promise<void> {
    const child = Bun.spawn(["bash", "-c", `exec ${this.#local(command)}`], {
      ...this.#place(),
      stdio: ["ignore", "ignore", "ignore"],
    });
    this.#background = child;
    if (!command.startsWith("qntx serve")) return;
    // A person needs longer for the next line than a host for its start.
    for (const until = performance.now() + LIMIT_MS; !(await this.#isReady()); await Bun.sleep(LOOK_MS)) {
      if (child.exitCode !== null || performance.now() >= until)
        throw new Error(`The host did not become ready.${this.#hostLog()}`);
    }
  }

  async #isReady(): Promise<boolean> {
    const unix = socketPath(join(this.#folder, ".qntx"));
    const answer = await fetch("http://localhost/readyz", { unix }).catch(() => null);
    return answer?.ok ?? false;
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#background?.kill(signal);
    await this.#background?.exited;
    this.#background = null;
  }

  #place() {
    const { folder, vars } = { folder: this.#folder, vars: process.env };
    return {
      cwd: folder,
      env: {
        HOME: folder,
        PATH: `${join(folder, "bin")}:${PYTHON_PATH}`,
        LANG: "C.UTF-8",
        TERM: "xterm",
        TZ: "UTC",
        NO_COLOR: "1",
        QNTX_SERVE_PORT: String(this.#port),
        ...(vars["QNTX_LOG_LEVEL"] ? { QNTX_LOG_LEVEL: vars["QNTX_LOG_LEVEL"] } : {}),
      },
    };
  }

  /** The page's port and home, as they are in this run. */
  #local(text: string): string {
    return text
      .replaceAll(`127.0.0.1:${PORT_WRITTEN}`, `127.0.0.1:${this.#port}`)
      .replaceAll(HOME_WRITTEN, this.#folder);
  }

  #write(path: string, text: string, mode = 0o644): void {
    const target = join(this.#folder, path.replace(/^~\//, ""));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text, { mode });
  }

  #hostLog(): string {
    const path = join(this.#folder, "host.log");
    return existsSync(path) ? `\nThe host said:\n${readFileSync(path, "utf8").slice(-2_000)}` : "";
  }
}

/** A port that was free a moment ago. */
function freePort(): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const { port } = server;
  void server.stop(true);
  return port ?? 0;
}
