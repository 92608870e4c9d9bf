/**
 * About: what a ready plugin says of itself when it is asked: the fields of its
 * configuration, and its glyphs. Nothing hangs on the answers: a plugin that does not
 * know the calls, or answers with nonsense, is as good as any other.
 */
import { status } from "@grpc/grpc-js";
import type { ConfigFieldSchema, GlyphDef } from "../../proto/gen/protocol/domain.ts";
import type { Millis } from "../base/env.ts";
import { shown } from "../base/fault.ts";
import { parsePattern, type Pattern } from "../base/pattern.ts";
import { CONFIG_TYPES, type ConfigField, type ConfigType } from "../plugin/config-field.ts";
import type { Glyph } from "../plugin/glyph.ts";
import type { Answer } from "../../sdk/typescript/channel.ts";
import { answerText, type Connection } from "./connection.ts";
import { cleanText, type Warn } from "./guard.ts";

export interface About {
  fields: readonly ConfigField[];
  glyphs: readonly Glyph[];
}

/** Of one that is not asked, or has not answered. */
export const NOTHING_SAID: About = { fields: [], glyphs: [] };

export const FIELDS_MAX = 200; // Of a section that a person writes.
export const GLYPHS_MAX = 100; // On one canvas.
const NAME_CHARS_MAX = 128;
const TEXT_CHARS_MAX = 1_024;
const SIZE_MAX = 10_000; // Pixels: more than any screen.

/** Asks a plugin. Never rejects. */
export async function askAbout(
  connection: Connection,
  about: { plugin: string; limitMs: Millis; warn: Warn },
): Promise<About> {
  const { plugin, limitMs, warn } = about;
  const schema = told(await connection.configSchema(limitMs), "ConfigSchema", warn);
  const glyphs = told(await connection.registerGlyphs(limitMs), "RegisterGlyphs", warn);
  return {
    fields: await readFields(schema?.fields ?? {}, warn),
    glyphs: readGlyphs(plugin, glyphs?.glyphs ?? [], warn),
  };
}

function told<T>(answer: Answer<T>, call: string, warn: Warn): T | null {
  if (answer.ok) return answer.value;
  if (answer.code !== status.UNIMPLEMENTED) warn(`its ${call} is left out: ${answerText(answer)}`);
  return null;
}

function readFields(fields: Record<string, ConfigFieldSchema>, warn: Warn): Promise<ConfigField[]> {
  const entries = Object.entries(fields);
  if (entries.length > FIELDS_MAX)
    warn(`of its ${entries.length} configuration fields, the first ${FIELDS_MAX} are kept`);
  const kept = entries.slice(0, FIELDS_MAX).map(async ([key, field]) => {
    const name = cleanText(key, NAME_CHARS_MAX);
    const wrong = (what: string) => warn(`its configuration field ${shown(name)} ${what}`);
    return {
      name,
      type: readType(field.type || "string", wrong),
      description: cleanText(field.description, TEXT_CHARS_MAX),
      fallback: cleanText(field.defaultValue, TEXT_CHARS_MAX),
      required: field.required,
      min: readNumber(field.minValue, wrong),
      max: readNumber(field.maxValue, wrong),
      pattern: await readPattern(field.pattern, wrong),
      elements: field.elementType === "" ? null : readType(field.elementType, wrong),
    };
  });
  return Promise.all(kept);
}

function readType(word: string, wrong: (what: string) => void): ConfigType | null {
  const type = CONFIG_TYPES.find((known) => known === SYNONYMS[word] || known === word) ?? null;
  if (type === null) wrong(`has the type ${shown(word)}, which is none: any value will do`);
  return type;
}

const SYNONYMS: Record<string, ConfigType> = {
  int: "integer",
  bool: "boolean",
  float: "number",
  list: "array",
};

function readNumber(text: string, wrong: (what: string) => void): number | null {
  if (text === "") return null;
  const number = Number(text);
  if (Number.isFinite(number)) return number;
  wrong(`has the bound ${shown(text)}, which is no number`);
  return null;
}

async function readPattern(text: string, wrong: (what: string) => void): Promise<Pattern | null> {
  if (text === "") return null;
  const pattern = await parsePattern(text);
  if (!("wrong" in pattern)) return pattern;
  wrong(`has a pattern that ${pattern.wrong}: ${shown(cleanText(text, NAME_CHARS_MAX))}`);
  return null;
}

function readGlyphs(plugin: string, glyphs: readonly GlyphDef[], warn: Warn): Glyph[] {
  if (glyphs.length > GLYPHS_MAX) warn(`of its ${glyphs.length} glyphs, the first ${GLYPHS_MAX} are kept`);
  return glyphs.slice(0, GLYPHS_MAX).map((glyph) => {
    const path = (text: string) =>
      readPath(plugin, text, (what) => warn(`its glyph ${shown(glyph.title)} ${what}`));
    return {
      symbol: cleanText(glyph.symbol, NAME_CHARS_MAX),
      title: cleanText(glyph.title, NAME_CHARS_MAX),
      label: cleanText(glyph.label, NAME_CHARS_MAX),
      content: path(glyph.contentPath),
      css: path(glyph.cssPath),
      module: path(glyph.modulePath),
      width: Math.min(SIZE_MAX, Math.max(0, glyph.defaultWidth)),
      height: Math.min(SIZE_MAX, Math.max(0, glyph.defaultHeight)),
    };
  });
}

/** `/content` or `content`, also with the plugin's prefix in front; never a path that leads elsewhere. */
function readPath(plugin: string, text: string, wrong: (what: string) => void): string {
  if (text === "") return "";
  const prefix = `/api/${plugin}/`;
  const url = URL.parse(text.startsWith(prefix) ? text : prefix + text.replace(/^\/+/, ""), "http://host");
  if (url?.origin === "http://host" && url.pathname.startsWith(prefix) && text.length <= TEXT_CHARS_MAX)
    return url.pathname + url.search;
  wrong(`has the path ${shown(cleanText(text, NAME_CHARS_MAX))}, which is not its own`);
  return "";
}
