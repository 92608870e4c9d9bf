/**
 * Makes the parts of documents that are only said once in the sources: the
 * commands, the keys of the configuration, the gRPC services.
 *
 *   bun scripts/docs.ts           writes them
 *   bun scripts/docs.ts --check   writes nothing; exits 1 when a page is not what the sources give
 *
 * Such a part stands between `<!-- made: NAME -->` and `<!-- end -->`; the prose
 * around it is written by hand. Pages are formatted as the rest of the house is,
 * so that both modes give the same bytes.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cliParts } from "./docs/cli.ts";
import { configurationParts } from "./docs/configuration.ts";
import { grpcParts } from "./docs/grpc.ts";
import { ROOT } from "./steps.ts";

const PART = /<!-- made: ([^>]+) -->\n[^]*?<!-- end -->/g;

const pages: Readonly<Record<string, Record<string, string>>> = {
  "docs/cli.md": await cliParts(),
  "docs/configuration.md": configurationParts(),
  "docs/grpc.md": grpcParts(ROOT),
};

const folder = mkdtempSync(join(tmpdir(), "qntx-docs-"));
try {
  cpSync(join(ROOT, "bunfig.toml"), join(folder, "bunfig.toml")); // The formatter's settings.
  const stale = Object.entries(pages).filter(([page, parts]) => !isCurrent(page, parts));
  if (process.argv.includes("--check") && stale.length > 0) {
    const names = stale.map(([page]) => page).join("\n  ");
    process.stderr.write(`Not what the sources give; run scripts/docs.ts:\n  ${names}\n`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** Compares a page with what it should be, and writes it unless only checking. */
function isCurrent(page: string, parts: Record<string, string>): boolean {
  const path = join(ROOT, page);
  const before = readFileSync(path, "utf8");
  const after = formatted(page, withParts(page, before, parts));
  if (after === before) return true;
  if (!process.argv.includes("--check")) {
    writeFileSync(path, after);
    process.stdout.write(`Wrote ${page}.\n`);
  }
  return false;
}

/** Throws when the page does not have each part once. */
function withParts(page: string, text: string, parts: Record<string, string>): string {
  const names = [...text.matchAll(PART)].map(([, name = ""]) => name);
  if (names.toSorted().join() !== Object.keys(parts).toSorted().join()) {
    throw new Error(`${page} has the parts ${names.join(", ")}, not ${Object.keys(parts).join(", ")}.`);
  }
  return text.replace(PART, (_, name: string) => `<!-- made: ${name} -->\n\n${parts[name]}\n\n<!-- end -->`);
}

function formatted(page: string, text: string): string {
  const path = join(folder, page.replaceAll("/", "-"));
  writeFileSync(path, text);
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, "fmt", path], { cwd: folder });
  if (exitCode !== 0) throw new Error(`${page} cannot be formatted: ${stderr.toString()}`);
  return readFileSync(path, "utf8");
}
