/** Markdown: the pieces that made parts of pages consist of. */

/** A table; cells are text in which a bar would end the cell. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A block of a language. */
export function block(lang: string, text: string): string {
  return `\`\`\`${lang}\n${text}\n\`\`\``;
}

/** A sentence of a source: what would be a tag in a page is text there. */
export function prose(text: string): string {
  return text.replaceAll("<", "\\<");
}

/** A word as it is typed; nothing for none. */
export function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

/** What is there, one below the other. */
export function paragraphs(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "").join("\n\n");
}

function escaped(cell: string): string {
  return cell.replaceAll("|", "\\|").replaceAll("\n", " ");
}
