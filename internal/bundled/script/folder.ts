/**
 * Folder: where jobs have their temporary folders. They lie under one folder
 * per process of this plugin, so that what a dead one left can be told from what
 * a living neighbour (the version that is being replaced) still uses.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";

const PREFIX = "jobs-";

/** The temporary folders of this process's jobs. */
export class JobFolders {
  readonly #room: string;

  /** Makes the room, and removes those of processes that are gone. */
  constructor(base: string) {
    for (const name of readdirSync(base)) {
      if (name.startsWith(PREFIX) && !isAlive(Number(name.slice(PREFIX.length)))) {
        rmSync(join(base, name), { recursive: true, force: true });
      }
    }
    this.#room = join(base, `${PREFIX}${process.pid}`);
    mkdirSync(this.#room, { recursive: true, mode: 0o700 });
  }

  /** Runs the work with a new folder, which is gone afterwards. */
  async within<T>(work: (folder: string) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(join(this.#room, "job-"));
    try {
      return await work(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Removes the room. */
  close(): void {
    rmSync(this.#room, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
