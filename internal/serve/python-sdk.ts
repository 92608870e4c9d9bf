/** The Python SDK, carried by the binary: put where Python can import it, so that a plugin needs nothing of ours installed. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import descriptors from "../../sdk/python/qntx/protocol.binpb" with { type: "file" };
import init from "../../sdk/python/qntx/__init__.py" with { type: "text" };
import endings from "../../sdk/python/qntx/endings.py" with { type: "text" };
import host from "../../sdk/python/qntx/host.py" with { type: "text" };
import job from "../../sdk/python/qntx/job.py" with { type: "text" };
import outbox from "../../sdk/python/qntx/outbox.py" with { type: "text" };
import output from "../../sdk/python/qntx/output.py" with { type: "text" };
import scheduled from "../../sdk/python/qntx/scheduled.py" with { type: "text" };
import schedules from "../../sdk/python/qntx/schedules.py" with { type: "text" };
import serve from "../../sdk/python/qntx/serve.py" with { type: "text" };
import services from "../../sdk/python/qntx/services.py" with { type: "text" };
import sockets from "../../sdk/python/qntx/sockets.py" with { type: "text" };
import wire from "../../sdk/python/qntx/wire.py" with { type: "text" };

const FILES: Record<string, string> = {
  "__init__.py": init,
  "endings.py": endings,
  "host.py": host,
  "job.py": job,
  "outbox.py": outbox,
  "output.py": output,
  "scheduled.py": scheduled,
  "schedules.py": schedules,
  "serve.py": serve,
  "services.py": services,
  "sockets.py": sockets,
  "wire.py": wire,
};

/** Writes the package `qntx` into the data folder. Returns the folder that goes on PYTHONPATH. */
export function writePythonSdk(home: string): string {
  const path = join(home, "sdk", "python");
  const folder = join(path, "qntx");
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, "protocol.binpb"), readFileSync(descriptors));
  return path;
}
