/** Request: what the payload of script.run asks for, checked. */
import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { type Json, PermanentError } from "../../../sdk/typescript/qntx.ts";

/** A script that is not saved: its code, or a file where it lies. */
export type RunRequest = ({ code: string } | { file: string }) & { args: Json };

/** Reads { code | file, args? }. Throws a PermanentError that names the field. */
export async function readRun(payload: Json): Promise<RunRequest> {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    throw new PermanentError('payload: it must be an object, like {"code": "export default () => 1"}.');
  }
  const { code, file, args } = payload;
  if ((code === undefined) === (file === undefined)) {
    throw new PermanentError("payload: give exactly one of code and file.");
  }
  if (code !== undefined) {
    if (typeof code !== "string") throw new PermanentError("code: it must be a text.");
    return { code, args };
  }
  await checkFile(file);
  return { file, args };
}

/** What a script finds in process.argv: args, when they are a list. */
export function argvOf(args: Json): string[] {
  return Array.isArray(args) ? args.map((arg) => (typeof arg === "string" ? arg : JSON.stringify(arg))) : [];
}

/** There is no folder that a relative path could start from: each job has its own, and it is empty. */
async function checkFile(file: unknown): Promise<void> {
  if (typeof file !== "string" || !isAbsolute(file)) {
    throw new PermanentError(`file: ${JSON.stringify(file)} is not an absolute path.`);
  }
  try {
    await readFile(file);
  } catch (error) {
    throw new PermanentError(`file: ${error instanceof Error ? error.message : String(error)}`);
  }
}
