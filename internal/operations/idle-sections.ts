/** Idle sections: what the configuration says of plugins that are not there. A slip in a name limits nobody, and gives nobody its secrets. */
import { nearest } from "../base/suggest.ts";

/** A sentence for each name under `[word.NAME]` that is nobody's; `present` are those that somebody has. */
export function idleSections(
  word: "quota" | "isolation" | "secrets",
  named: readonly string[],
  present: readonly string[],
): string[] {
  return named
    .filter((name) => !present.includes(name))
    .map((name) => {
      const meant = present.find((other) => other.endsWith(`/${name}`)) ?? nearest(name, present);
      const hint = meant === undefined ? "" : ` Did you mean ${section(word, meant)}?`;
      return `${section(word, name)} in qntx.toml is for a plugin that is not there now.${hint}`;
    });
}

/** As it is written: `[secrets."acme/weather"]`. */
export function section(word: string, name: string): string {
  return `[${word}.${name.includes("/") ? JSON.stringify(name) : name}]`;
}
