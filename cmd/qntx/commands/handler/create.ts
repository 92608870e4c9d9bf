/** `qntx handler create [NAME] --file F` saves a script as a handler, or a new version of it. */
import { basename, extname } from "node:path";
import { Fault, fieldFault } from "../../../../internal/base/fault.ts";
import type { handlerCreate as operation } from "../../../../internal/operations/handler.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command, type Parse } from "../../command.ts";
import { fileText } from "../../values.ts";
import { whenLive } from "./live.ts";

const LANGUAGES = ["py", "ts", "js", "sh"] as const;
type Language = (typeof LANGUAGES)[number];

interface Script {
  /** Null for standard input and for --code. */
  path: string | null;
  code: string;
}

const scriptFile: Parse<Script> = async (text, name, world) => ({
  path: text === "-" ? null : text,
  code: await fileText(text, name, world),
});

export const handlerCreate = command({
  details:
    "A version is never overwritten; a new one is what counts. On a running host this returns when the\n" +
    "handler is live, or says what is missing.",
  args: {
    name: {
      type: "positional",
      required: false,
      description: "What it is called (default: the file's, without its ending)",
    },
    file: {
      type: "string",
      alias: "f",
      valueHint: "FILE|-",
      parse: scriptFile,
      complete: "files",
      description: "The script",
    },
    code: { type: "string", valueHint: "CODE", description: "The script, written out" },
    lang: {
      type: "enum",
      options: [...LANGUAGES],
      description: "Its language (default: the file's ending, else py)",
    },
  },
  examples: [
    { line: "qntx handler create --file vacancies.py", why: "becomes the handler python.vacancies" },
    { line: "qntx handler create hello --code 'print(\"hello\")'", why: "without a file" },
    { line: "qntx handler create report --file - --lang ts < report.ts", why: "from standard input" },
  ],
  async run({ args: { name, file, code, lang }, world, globals, out }) {
    const script = oneOf(file, code);
    const input = { name: name ?? nameOf(script), code: script.code, lang: lang ?? languageOf(script) };
    await using client = await openClient(world, globals);
    const { code: _, ...saved } = await client.call<OutputOf<typeof operation>>("handler.create", input);
    const live = await whenLive(client, world, saved.handler);
    out.data(
      { ...saved, live: live.live, waiting: live.missing },
      `Handler ${saved.handler} is saved${live.live ? " and live" : ""}.`,
    );
    if (live.missing !== null) out.say(`It is not live yet: ${live.missing}.`);
  },
});

function oneOf(file: Script | undefined, code: string | undefined): Script {
  if (file !== undefined && code !== undefined)
    throw fieldFault("--code", "cannot be given together with --file.", "Give one of them.");
  if (file !== undefined) return file;
  if (code !== undefined) return { path: null, code };
  throw new Fault("usage", "The script is missing.", { hint: "Give --file FILE, or --code CODE." });
}

function nameOf({ path }: Script): string {
  if (path !== null) return basename(path, extname(path));
  throw new Fault("usage", "NAME is missing.", { hint: "Only a file has a name to take." });
}

function languageOf({ path }: Script): Language {
  const ending = path === null ? "" : extname(path).slice(1).toLowerCase();
  return LANGUAGES.find((lang) => lang === ending) ?? "py";
}
