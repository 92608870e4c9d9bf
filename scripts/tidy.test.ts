/**
 * Tidy: the house rules that a machine can check. Each message says what to do
 * instead. Lengths of files and functions, `any` and the console are oxlint's
 * part (.oxlintrc.json).
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const ROOT = join(import.meta.dir, "..");

/** The rooms from the ground up: a room may import from the rooms above it in this list, and from itself. */
const ROOMS: readonly (readonly string[])[] = [
  ["proto/gen"],
  ["sdk"],
  ["internal/base"],
  ["internal/access", "internal/fetch"],
  ["internal/config"],
  ["internal/job", "internal/plugin", "internal/ats", "internal/event"],
  ["internal/schedule"],
  ["internal/store"],
  ["internal/wire"],
  ["internal/pulse"],
  ["internal/bundled"],
  ["internal/plugins"],
  ["internal/operations"],
  ["internal/services", "internal/http", "internal/mcp", "internal/calendar", "internal/panel"],
  ["internal/serve"],
  ["cmd"],
  ["scripts"],
];

/** What a room may import of what stands below it, where that is less than everything. */
const ONLY: Record<string, readonly string[]> = {
  sdk: ["proto/gen"],
  "internal/base": [],
  "internal/config": ["internal/base", "internal/access"],
  "internal/bundled": ["sdk"],
};

/** Generated code is read by the rooms that speak gRPC, and by nobody else. */
const READERS_OF_GENERATED_CODE = ["sdk", "internal/wire", "internal/plugins"];

const files = trackedFiles();
const sources = files.filter((path) => path.endsWith(".ts") && !path.startsWith("proto/gen/"));
const code = sources.filter((path) => !isTest(path));

describe("imports point down", () => {
  test.each(code)("%s", (path) => {
    for (const target of importsOf(path)) {
      const from = roomOf(path);
      const to = roomOf(target);
      if (from === to || from === undefined || to === undefined) continue;
      const allowed = ONLY[from] ?? ROOMS.slice(0, levelOf(from)).flat();
      expect(
        allowed,
        `${path} imports ${target}: ${from} may import ${allowed.join(", ") || "nothing"}. Move what both need down, or hand it in.`,
      ).toContain(to);
      if (to === "proto/gen") {
        expect(
          READERS_OF_GENERATED_CODE,
          `${path} imports generated code. Take it from internal/wire, which turns messages into our own types.`,
        ).toContain(from);
      }
    }
  });
});

interface Rule {
  what: string;
  pattern: RegExp;
  instead: string;
  /** Files that may. */
  except?: (path: string) => boolean;
  /** Where it holds; product code when absent. */
  in?: readonly string[];
}

const RULES: readonly Rule[] = [
  {
    what: "time and randomness outside base/env.ts",
    pattern:
      /\b(Date\.now|performance\.now|setTimeout|setInterval|setImmediate|Math\.random|crypto\.randomUUID|crypto\.getRandomValues|Bun\.sleep)\(|new Date\(\)/,
    instead: "Take an Env and use its now, mono, after, soon, random or bytes.",
    except: (path) => path === "internal/base/env.ts" || outsideTheEnv(path),
  },
  {
    what: "leftovers",
    pattern: /\b(TODO|FIXME|XXX|HACK)\b/,
    instead: "Finish it, or write it down where the work is kept.",
    in: files.filter((path) => /\.(ts|py|mjs|md|sql|proto)$/.test(path) && path !== "scripts/tidy.test.ts"),
  },
  {
    what: "tests that do not run",
    pattern: /\b(test|describe|it)\.(skip|only|todo)\b/,
    instead: "Make it pass, or delete it and say why in the commit.",
    in: sources.filter((path) => path !== "scripts/tidy.test.ts"),
  },
  {
    what: "enums, namespaces and private fields of TypeScript",
    pattern: /^\s*(export )?(const )?enum |^\s*namespace |^\s*private |^\s*protected /m,
    instead: "Use a union of literals, a module, or #name.",
  },
  {
    what: "default exports",
    pattern: /^export default /m,
    instead: "Export it by its name.",
    except: (path) =>
      path.startsWith("sdk/") || path.startsWith("internal/bundled/") || path.endsWith(".d.ts"),
  },
  {
    what: "exporting from elsewhere",
    pattern: /^export \* from/m,
    instead: "Import from the file that has it.",
  },
  {
    what: "this machine's paths",
    pattern: /(^|[^a-zA-Z0-9_.])\/(work|farm)\/|https?:\/\/[a-z0-9.-]*registry[a-z0-9.-]*\//,
    instead: "Name things relative to the repository.",
    in: files.filter((path) => !path.endsWith(".binpb") && path !== "scripts/tidy.test.ts"),
  },
];

describe("rules", () => {
  test.each(RULES)("no $what", ({ pattern, instead, except, in: where }) => {
    const offenders = (where ?? code).flatMap((path) => {
      if (except?.(path)) return [];
      const lines = read(path).split("\n");
      return lines.flatMap((line, index) =>
        pattern.test(stripComment(line, path)) ? [`${path}:${index + 1} ${line.trim().slice(0, 100)}`] : [],
      );
    });
    expect(offenders, instead).toEqual([]);
  });

  test("every file opens with why it exists", () => {
    const offenders = code.filter((path) => !/^(#!.*\n)?(\/\*\*|\/\/)/.test(read(path)));
    expect(offenders, "Two to six lines: what it is, what it promises, what surprised us.").toEqual([]);
  });

  test("no room is a drawer", () => {
    const drawers = files.filter((path) =>
      /(^|\/)(utils?|helpers?|common|types|interfaces|misc)(\/|\.ts$)/.test(path),
    );
    expect(drawers, "Name it after what is in it.").toEqual([]);
  });

  test("every dependency is a written decision", () => {
    const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Record<string, string> };
    const decisions = read("docs/decisions/dependencies.md");
    const missing = Object.keys(dependencies).filter((name) => !decisions.includes(`\`${name}\``));
    expect(missing, "Say in docs/decisions/dependencies.md why it is here and what else there was.").toEqual(
      [],
    );
  });

  test("versions are pinned", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<
      string,
      Record<string, string>
    >;
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
    );
    expect(loose, "Write the exact version: an update is a change that somebody makes.").toEqual([]);
  });
});

function trackedFiles(): string[] {
  const { stdout } = Bun.spawnSync(["git", "ls-files", "-co", "--exclude-standard"], { cwd: ROOT });
  const paths = stdout
    .toString()
    .split("\n")
    .filter((path) => path !== "");
  return paths.filter((path) => !path.startsWith("node_modules/") && path !== "package-lock.json");
}

function isTest(path: string): boolean {
  return /\.test\.ts$|\/(testdata|storetest|golden|e2e|examples)\/|fake-env|memory-host|world-for-tests|fixture\.ts$/.test(
    path,
  );
}

/** Programs of their own, with clocks of their own: scripts, and the SDK in somebody's plugin. */
function outsideTheEnv(path: string): boolean {
  return path.startsWith("scripts/") || path.startsWith("sdk/") || path.startsWith("internal/bundled/");
}

function importsOf(path: string): string[] {
  const found = read(path).matchAll(/(?:from|import\()\s*"(\.{1,2}\/[^"]+)"/g);
  return [...found].map(([, target = ""]) => normalize(join(dirname(path), target)));
}

function roomOf(path: string): string | undefined {
  return ROOMS.flat().find((room) => path.startsWith(`${room}/`));
}

function levelOf(room: string): number {
  return ROOMS.findIndex((level) => level.includes(room));
}

function stripComment(line: string, path: string): string {
  return path.endsWith(".ts") &&
    /^\s*(\*|\/\/|\/\*)/.test(line) &&
    !/TODO|FIXME|XXX|HACK|work\/|farm\//.test(line)
    ? ""
    : line;
}

function read(path: string): string {
  return readFileSync(join(ROOT, relative(".", path)), "utf8");
}
