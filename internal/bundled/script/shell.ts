/**
 * Shell: runs a saved `.sh` file. The payload is on stdin; what the script
 * writes to the file $QNTX_RESULT_FILE is the result. A first line `#!…` names
 * another shell.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { RESULT_BYTES_MAX } from "../../../sdk/typescript/ending.ts";
import type { Job } from "../../../sdk/typescript/qntx.ts";
import { Child, exitError, ScriptExit } from "./child.ts";
import { environmentOf } from "./facts.ts";

const RESULT_FILE = "result"; // In the job's folder.

/** Runs the code in the folder. Resolves with its result; throws what the job's signal says, or how the script ended. */
export async function runShell(
  job: Job,
  { code, name }: { code: string; name: string },
  folder: string,
): Promise<unknown> {
  job.signal.throwIfAborted();
  const file = join(folder, `${name}.sh`);
  await Bun.write(file, code);
  const resultFile = join(folder, RESULT_FILE);
  const child = new Child(job, {
    argv: [...shellOf(code), file],
    folder,
    env: { ...environmentOf(job, folder), QNTX_RESULT_FILE: resultFile },
    stdin: job.bytes,
  });
  const exit = await child.exited;
  if (exit.code === 0) return readResult(resultFile);
  job.signal.throwIfAborted();
  throw exitError(exit);
}

/** The shell that `#!…` names, read as the kernel does: a path and at most one word. The file need not be executable. */
function shellOf(code: string): string[] {
  const [, path, word] = /^#![ \t]*(\S+)[ \t]*(.*?)[ \t\r]*(?:\n|$)/.exec(code) ?? [];
  if (!path) return ["sh"];
  return word ? [path, word] : [path];
}

/** JSON when it is JSON, text otherwise; nothing when nothing was written. */
async function readResult(file: string): Promise<unknown> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > RESULT_BYTES_MAX)
    throw new ScriptExit(`The result has ${size} bytes; a result may have ${RESULT_BYTES_MAX}.`);
  if (size === 0) return undefined;
  const text = await Bun.file(file).text();
  try {
    return JSON.parse(text);
  } catch {
    return text.replace(/\n$/, "");
  }
}
