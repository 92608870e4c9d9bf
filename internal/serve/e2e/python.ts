/**
 * Python as others use it: stubs made by stock protoc from the .proto files
 * alone, and programs that are started as a plugin's author would start them.
 */
import { chmodSync, cpSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Place } from "./host.ts";

const PROTO = join(import.meta.dir, "../../../proto");
export const TESTDATA = join(import.meta.dir, "testdata");

/** Debian's own Python first: it has python3-grpcio, which another python3 on PATH may lack. */
export const PYTHON_PATH = `/usr/bin:/bin:${process.env["PATH"] ?? ""}`;

/** Puts a Python program of testdata into the data folder as an executable plugin, with its generated stubs beside it. */
export function writeStranger(place: Place, name: string, program = `${name}.py`): void {
  const folder = join(place.home, "plugins", name);
  mkdirSync(folder, { recursive: true });
  const { success, stderr } = Bun.spawnSync([
    "protoc",
    `-I${PROTO}`,
    `--python_out=${folder}`,
    `--grpc_python_out=${folder}`,
    `--plugin=protoc-gen-grpc_python=${Bun.which("grpc_python_plugin")}`,
    ...["domain", "atsstore", "queue", "schedule", "fetch"].map((file) => `protocol/${file}.proto`),
  ]);
  if (!success) throw new Error(`protoc: ${stderr}`);
  cpSync(join(TESTDATA, program), join(folder, name));
  chmodSync(join(folder, name), 0o755);
}

/**
 * Puts a file or a folder of testdata into the data folder as a plugin of that name.
 * A clone may be writable by its group, and a plugin that others can change is refused.
 */
export function writePlugin(place: Place, file: string, name = file): void {
  const path = join(place.home, "plugins", name);
  mkdirSync(dirname(path), { recursive: true });
  cpSync(join(TESTDATA, file), path, { recursive: true });
  const inside = statSync(path).isDirectory() ? readdirSync(path, { recursive: true, encoding: "utf8" }) : [];
  for (const each of [path, ...inside.map((inner) => join(path, inner))]) {
    chmodSync(each, statSync(each).mode & ~0o022);
  }
}
