/** Request: what the payloads of python.script and python.csv ask for, checked. */
import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { type Json, PermanentError } from "../../../sdk/typescript/qntx.ts";
import type { CsvOrder, Order } from "./process.ts";

const CODE_BYTES_MAX = 1_048_576; // 1 MiB: a script, not a program with its data.

/** Finds the code of a saved handler. */
export type FindCode = (name: string) => string | undefined;

/** What `python.script` shall run: { code | content | file, args?, stdin? }. Throws a PermanentError that names the field. */
export async function readScript(payload: Json): Promise<Order> {
  const fields = readObject(payload, '{"code": "print(1)"}');
  const args: unknown = fields["args"] ?? [];
  if (!Array.isArray(args) || !args.every((each) => typeof each === "string" || typeof each === "number")) {
    throw new PermanentError("args: it must be a list of texts.");
  }
  return { ...(await readCode(fields)), args: args.map(String), stdin: readText(fields, "stdin") ?? "" };
}

/** What `python.csv` shall run: { text | file, code | content | handler, delimiter?, columns? }. Throws a PermanentError. */
export async function readCsv(payload: Json, find: FindCode): Promise<Order> {
  const fields = readObject(payload, '{"text": "a,b\\n1,2", "code": "def row(row): …"}');
  const csv: CsvOrder = {};
  const [source, value] = oneOf(fields, ["text", "file"]);
  csv[source] = source === "file" ? absolute(value) : value;
  const delimiter = readText(fields, "delimiter");
  if (delimiter !== undefined && delimiter.length !== 1)
    throw new PermanentError("delimiter: it must be one character.");
  if (delimiter !== undefined) csv.delimiter = delimiter;
  const columns: unknown = fields["columns"];
  if (columns !== undefined) csv.columns = readColumns(columns);
  const [kind, code] = oneOf(fields, ["code", "content", "handler"]);
  return kind === "handler" ? { ...savedOrder(code, find), csv } : { code, path: "script.py", csv };
}

/** The order that runs a saved handler. Throws a PermanentError when there is none of this name. */
export function savedOrder(name: string, find: FindCode): Order {
  const code = find(name);
  if (code === undefined) {
    throw new PermanentError(
      `There is no saved handler ${JSON.stringify(name)}. Save one with: qntx handler create.`,
    );
  }
  return { code, path: `${name}.py` };
}

async function readCode(fields: Fields): Promise<Pick<Order, "code" | "path">> {
  const [source, value] = oneOf(fields, ["code", "content", "file"]);
  if (source !== "file") return { code: value, path: "script.py" };
  const path = absolute(value);
  let code: string;
  try {
    code = await readFile(path, "utf8");
  } catch (error) {
    throw new PermanentError(`file: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (code.length > CODE_BYTES_MAX) throw new PermanentError(`file: ${path} is larger than 1 MiB.`);
  return { code, path };
}

type Fields = Record<string, unknown>;

function readObject(payload: unknown, example: string): Fields {
  if (typeof payload === "object" && payload !== null && !Array.isArray(payload)) return { ...payload };
  throw new PermanentError(`payload: it must be an object, like ${example}.`);
}

/** The one of these fields that is given, with its text. */
function oneOf<const Name extends string>(fields: Fields, names: readonly Name[]): [Name, string] {
  const given = names.filter((name) => fields[name] !== undefined);
  const [name] = given;
  if (name === undefined || given.length > 1) {
    throw new PermanentError(`payload: give exactly one of ${names.join(", ")}.`);
  }
  return [name, readText(fields, name) ?? ""];
}

function readText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === "string") return value;
  throw new PermanentError(`${name}: it must be a text.`);
}

function readColumns(columns: unknown): string[] {
  if (Array.isArray(columns) && columns.every((each) => typeof each === "string")) return columns;
  throw new PermanentError("columns: it must be a list of texts.");
}

/** There is no folder that a relative path could start from: each job has its own, and it is empty. */
function absolute(path: string): string {
  if (isAbsolute(path)) return path;
  throw new PermanentError(`file: ${JSON.stringify(path)} is not an absolute path.`);
}
