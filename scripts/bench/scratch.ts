/** Scratch: a folder for a while. It goes when it is disposed of, and when this process goes, also if it is told to. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TRIES = 40; // Somebody who is about to end may still write into it.
const TRY_MS = 50;

export class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "qntx-bench-"));
  readonly #remove = () => {
    for (let n = 0; n < TRIES && existsSync(this.path); n++) {
      if (n > 0) Bun.sleepSync(TRY_MS);
      try {
        rmSync(this.path, { recursive: true, force: true });
      } catch {
        continue; // Something was written into it meanwhile.
      }
    }
  };

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
