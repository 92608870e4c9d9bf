/**
 * Socket: where the host of a data folder is spoken to from this machine. A unix
 * socket in the folder, 0600; whoever can open it is the operator.
 *
 * The kernel takes paths of about a hundred bytes; a folder with a longer one has
 * its socket in the temporary folder, under a name made from the path.
 */
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SOCKET_PATH_BYTES_MAX = 100; // 108 on Linux, 104 on macOS, with the closing zero.

/** The path of a data folder's socket. */
export function socketPath(home: string): string {
  const path = join(home, "host.sock");
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  const folder = join(tmpdir(), `qntx-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const name = new Bun.CryptoHasher("sha256").update(home).digest("hex").slice(0, 32);
  return join(folder, `${name}.sock`);
}

/** True when a host answers there. */
export async function hostAnswers(path: string): Promise<boolean> {
  try {
    const response = await fetch("http://localhost/healthz", { unix: path });
    return response.ok;
  } catch {
    return false;
  }
}
