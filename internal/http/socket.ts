/**
 * Socket: where the host of a data folder is spoken to from this machine. A unix
 * socket in the folder, 0600; whoever can open it is the operator.
 *
 * The kernel takes paths of about a hundred bytes; a folder with a longer one has
 * its socket in the temporary folder, under a name made from the path.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Env, Millis } from "../base/env.ts";
import { Fault } from "../base/fault.ts";

const SOCKET_PATH_BYTES_MAX = 100; // 108 on Linux, 104 on macOS, with the closing zero.
const OTHERS = 0o077;
export const ANSWER_MS: Millis = 2_000; // A host that is stopped or stuck takes connections and says nothing.

/** The path of a data folder's socket. Throws a Fault when it would lie in a folder that is not ours alone. */
export function socketPath(home: string): string {
  const path = join(home, "host.sock");
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  const name = new Bun.CryptoHasher("sha256").update(home).digest("hex").slice(0, 32);
  return join(ownTemporaryFolder(), `${name}.sock`);
}

/** Everybody may write to the temporary folder: whoever was there first could answer in the host's place. */
function ownTemporaryFolder(): string {
  const uid = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `qntx-${uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid: owner, mode } = lstatSync(folder);
  if (owner === uid && (mode & OTHERS) === 0) return folder;
  throw new Fault("config", `${folder}, where the host's socket would be, can be used by others.`, {
    hint: "Remove it, or give the data folder a path of less than 90 characters: then the socket is in there.",
  });
}

/** True when a host answers there, soon. */
export async function hostAnswers(env: Env, path: string): Promise<boolean> {
  const late = new AbortController();
  const cancel = env.after(ANSWER_MS, () => late.abort());
  try {
    const response = await fetch("http://localhost/healthz", { unix: path, signal: late.signal });
    return response.ok;
  } catch {
    return false;
  } finally {
    cancel();
  }
}
