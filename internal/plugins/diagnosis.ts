/**
 * Diagnosis: what somebody would ask first about a plugin that did not start.
 * Which file, with which mode, made for which machine, how did it end, and what
 * did it say last.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { Fault, messageOf } from "../base/fault.ts";
import type { PluginSource } from "./find.ts";

const LINES_SHOWN_MAX = 5; // Enough for an exception's end; the log has the rest.
const HEAD_BYTES = 64;

/** ELF's numbers for machines, by the names that Node uses. */
const MACHINES: Record<number, string> = { 3: "ia32", 40: "arm", 62: "x64", 183: "arm64", 243: "riscv64" };

/** Why a program could not even be spawned. */
export function spawnFault(source: PluginSource, error: unknown): Fault {
  return new Fault("failed", `Plugin ${source.name} could not be started: ${messageOf(error)}.`, {
    hint: fileHint(source),
    cause: error,
  });
}

/** Adds to a reason what is known about the file and what the process said last. */
export function withDiagnosis(
  reason: string,
  { source, lastLines }: { source: PluginSource; lastLines: readonly string[] },
): string {
  const hint = fileHint(source);
  const said = lastLines.slice(-LINES_SHOWN_MAX).join(" | ");
  return [reason, hint, said && `It said last: ${said}`].filter(Boolean).join(" ");
}

/** Path and mode, and the machine where it is not ours. Empty when nothing is there to look at. */
function fileHint({ path }: PluginSource): string {
  if (path === null) return "";
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return `${path} no longer exists.`;
  const foreign = foreignTo(path);
  const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
  return `The program is ${path} (mode ${mode}${foreign === "" ? "" : `; ${foreign}`}).`;
}

/** Why this machine cannot start a program; empty when nothing speaks against it. */
export function foreignTo(path: string): string {
  const head = headOf(path);
  if (head.subarray(0, 2).toString("latin1") === "#!") {
    const interpreter = head.subarray(2).toString("latin1").split("\n")[0]?.trim().split(" ")[0] ?? "";
    const missing = interpreter !== "" && !statSync(interpreter, { throwIfNoEntry: false });
    return missing ? `its interpreter ${interpreter} does not exist` : "";
  }
  if (head.length < 20 || head.subarray(1, 4).toString("latin1") !== "ELF") return "";
  const machine = MACHINES[head.readUInt16LE(18)] ?? `machine ${head.readUInt16LE(18)}`;
  return machine === process.arch ? "" : `it is made for ${machine}, this machine is ${process.arch}`;
}

function headOf(path: string): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  try {
    const file = openSync(path, "r");
    try {
      return head.subarray(0, readSync(file, head, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return head.subarray(0, 0);
  }
}
