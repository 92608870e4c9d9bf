/** Scratch: a folder for a while. It goes when it is disposed of, and when this process goes, also if it is told to. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const RETRIES = 10; // Somebody who is about to end may still write into it.

export class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "qntx-bench-"));
  readonly #remove = () => rmSync(this.path, { recursive: true, force: true, maxRetries: RETRIES });

  constructor() {
    process.on("exit", this.#remove);
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#remove);
    this.#remove();
  }
}

/** Lets this process end in order when it is told to: what it started and made goes with it. */
export function endInOrder(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));
}
