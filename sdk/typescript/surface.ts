/** Surface: what a plugin shows of itself to people, in the form that travels: the keys of its configuration, its glyphs. */
import { ConfigFieldSchema, GlyphDef } from "../../proto/gen/protocol/domain.ts";
import { PluginError, refuseUnknown } from "./names.ts";
import type { ConfigField, Glyph } from "./qntx.ts";

const TYPES: readonly unknown[] = ["string", "number", "integer", "boolean", "array"];

/** Misspelt fields would do nothing, silently. */
const FIELD_KEYS: Record<keyof ConfigField, true> = {
  type: true,
  description: true,
  default: true,
  required: true,
  min: true,
  max: true,
  pattern: true,
  elements: true,
};

const GLYPH_KEYS: Record<keyof Glyph, true> = {
  symbol: true,
  title: true,
  label: true,
  content: true,
  css: true,
  module: true,
  width: true,
  height: true,
};

/** Reads a plugin's `config`. Throws a PluginError that names the key. */
export function readConfigFields(
  plugin: string,
  fields: Readonly<Record<string, ConfigField>>,
): Record<string, ConfigFieldSchema> {
  const read = Object.entries(fields).map(([name, field]) => {
    const which = `config field ${JSON.stringify(name)} of plugin ${plugin}`;
    refuseUnknown(which, field, FIELD_KEYS);
    const { type = "string", description = "", required = false, pattern = "", elements = "" } = field;
    for (const word of [type, ...(elements === "" ? [] : [elements])])
      if (!TYPES.includes(word))
        throw new PluginError(
          `The ${which} has the type ${JSON.stringify(word)}. There are ${TYPES.join(", ")}.`,
        );
    const schema = ConfigFieldSchema.fromPartial({
      type,
      description,
      defaultValue: textOf(field.default),
      required,
      minValue: textOf(field.min),
      maxValue: textOf(field.max),
      pattern,
      elementType: elements,
    });
    return [name, schema] as const;
  });
  return Object.fromEntries(read);
}

/** Reads a plugin's `glyphs`. Throws a PluginError that names the glyph. */
export function readGlyphs(plugin: string, glyphs: readonly Glyph[]): GlyphDef[] {
  return glyphs.map((glyph, index) => {
    const which = `glyph ${JSON.stringify(glyph.title) ?? `no. ${index + 1}`} of plugin ${plugin}`;
    refuseUnknown(which, glyph, GLYPH_KEYS);
    if (!glyph.content && !glyph.module)
      throw new PluginError(
        `The ${which} has neither content nor a module. Name the path that answers with it.`,
      );
    return GlyphDef.fromPartial({
      symbol: glyph.symbol,
      title: glyph.title,
      label: glyph.label ?? glyph.title,
      contentPath: glyph.content ?? "",
      cssPath: glyph.css ?? "",
      modulePath: glyph.module ?? "",
      defaultWidth: glyph.width ?? 0,
      defaultHeight: glyph.height ?? 0,
    });
  });
}

function textOf(value: string | number | boolean | undefined): string {
  return value === undefined ? "" : String(value);
}
