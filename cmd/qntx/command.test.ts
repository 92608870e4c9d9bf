/** The kit: a line becomes typed values and an exit code, or a sentence that says why not. */
import { expect, test } from "bun:test";
import { Fault } from "../../internal/base/fault.ts";
import { command, group, lazy, yesArg } from "./command.ts";
import type { ExitCode } from "./exit.ts";
import { run } from "./run.ts";
import { duration, fileText, instant, integer, json, pair } from "./values.ts";
import { testWorld } from "./world-for-tests.ts";

/** Prints the values that its body got. Between them, its arguments have every shape there is. */
const everything = command({
  args: {
    name: { type: "positional", description: "A name", valueHint: "NAME" },
    more: { type: "positional", required: false, repeat: true, description: "More names" },
    in: { type: "string", default: "0s", parse: duration, description: "How long" },
    at: { type: "string", parse: instant, description: "When" },
    limit: { type: "string", alias: "n", parse: integer(1, 10), description: "How many" },
    input: { type: "string", parse: json, description: "What" },
    code: { type: "string", parse: fileText, description: "A file" },
    label: { type: "string", alias: "l", repeat: true, parse: pair, description: "A label" },
    overlap: { type: "enum", options: ["skip", "allow"], default: "skip", description: "What then" },
    dryRun: { type: "boolean", alias: "d", description: "Only look" },
    follow: { type: "boolean", alias: "f", default: true, description: "Go on" },
  },
  async run({ args, out, globals }) {
    // The types are part of what is tested: this line must compile as it stands.
    const typed: {
      name: string;
      more: string[];
      in: number;
      at: number | undefined;
      limit: number | undefined;
      overlap: "skip" | "allow";
      dryRun: boolean;
    } = args;
    out.data({ ...args, ...typed, home: globals.home }, "done");
  },
});

const tree = group("Test", {
  job: group(
    "Jobs",
    {
      all: lazy("Everything", async () => everything),
      wait: lazy("Wait", async () => command({ run: async () => 8 })),
      remove: lazy("Remove", async () =>
        command({
          args: { yes: yesArg },
          async run({ args, out }) {
            await out.confirm("Remove it?", args.yes);
            out.say("Removed.");
          },
        }),
      ),
    },
    { aliases: ["run"] },
  ),
  fails: lazy("Fails", async () =>
    command({
      args: { code: { type: "positional", description: "How" } },
      async run({ args }) {
        if (args.code === "bug") throw new TypeError("x is undefined");
        throw new Fault("conflict", `Job ${args.code} is done.`, { hint: "Retry a failed one." });
      },
    }),
  ),
});

async function type(line: string, given: Parameters<typeof testWorld>[0] = {}) {
  const argv = line.split(" ").filter(Boolean);
  const world = testWorld({ argv, ...given });
  const code = await run(tree, world);
  return { code, ...world.printed };
}

/** The values that `job all` gets from a line, beside its defaults. */
async function valuesOf(line: string, given: Parameters<typeof testWorld>[0] = {}): Promise<unknown> {
  const { stdout, stderr } = await type(`job all --json ${line}`, given);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

const DEFAULTS = { name: "x", more: [], in: 0, label: [], overlap: "skip", dryRun: false, follow: true };

// line, values beside the defaults
const GOOD: readonly (readonly [string, object])[] = [
  ["x", {}],
  ["x y z", { more: ["y", "z"] }],
  ["-- --x -y", { name: "--x", more: ["-y"] }],
  ["-5", { name: "-5" }],
  ["-", { name: "-" }],
  ["x --in 1h30m", { in: 5_400_000 }],
  ["x --in=250ms", { in: 250 }],
  ["x --at 2030-01-01T00:00:00Z", { at: Date.UTC(2030, 0, 1) }],
  ["x --limit 3", { limit: 3 }],
  ["x -n 3", { limit: 3 }],
  ["x -n3", { limit: 3 }],
  ["x -dn3", { limit: 3, dryRun: true }],
  ['x --input {"a":1}', { input: { a: 1 } }],
  [
    'x --input [1e20,-9007199254740993.5,10000000000000000000,"12345678901234567890\\"1"]',
    { input: [1e20, -9007199254740994, 1e19, '12345678901234567890"1'] },
  ],
  [
    "x --label a=1 -l b=2=3",
    {
      label: [
        ["a", "1"],
        ["b", "2=3"],
      ],
    },
  ],
  ["x --overlap allow", { overlap: "allow" }],
  ["x --dry-run", { dryRun: true }],
  ["x --dry-run=false", { dryRun: false }],
  ["x --no-dry-run", { dryRun: false }],
  ["x --no-follow", { follow: false }],
  ["x --no-follow=false", { follow: true }],
  ["--home /h x", { home: "/h" }],
];

for (const [line, values] of GOOD) {
  test(`job all ${line}`, async () => {
    expect(await valuesOf(line)).toEqual({ ...DEFAULTS, ...values });
  });
}

test("documents come from standard input", async () => {
  expect(await valuesOf("x --input @-", { stdin: "[1]" })).toMatchObject({ input: [1] });
  expect(await valuesOf("x --input -", { stdin: "[2]" })).toMatchObject({ input: [2] });
  expect(await valuesOf("x --code -", { stdin: "print(1)" })).toMatchObject({ code: "print(1)" });
});

test("documents come from files", async () => {
  const here = `${import.meta.dir}/../../package.json`;
  expect(await valuesOf(`x --input @${here}`)).toMatchObject({ input: { name: "qntx" } });
  expect(await valuesOf(`x --code ${import.meta.path}`)).toMatchObject({
    code: expect.stringContaining("GOOD"),
  });
});

// line, exit code, sentence
const BAD: readonly (readonly [string, ExitCode, string])[] = [
  ["job all", 2, "NAME is missing."],
  ["job all x --in soon", 2, '--in: "soon" is not a duration.'],
  ["job all x --at tomorrow", 2, '--at: "tomorrow" is not an instant.'],
  ["job all x --limit 11", 2, '--limit: "11" is not a whole number from 1 to 10.'],
  ["job all x --limit 1.5", 2, '--limit: "1.5" is not a whole number from 1 to 10.'],
  ["job all x --limit -3", 2, '--limit: "-3" is not a whole number from 1 to 10.'],
  ["job all x --limit 1 -n 2", 2, "-n is given twice; it takes one value."],
  ["job all x --limit", 2, "--limit needs a value."],
  ["job all x --limit --dry-run", 2, "--limit needs a value."],
  ["job all x --input [12345678901234567890]", 2, '--input: "12345678901234567890" would lose digits.'],
  ["job all x --input 1e999", 2, '--input: "1e999" would lose digits.'],
  ["job all x --input {", 2, "--input: \"{\" is not JSON: JSON Parse error: Expected '}'."],
  ["job all x --input @-", 2, "--input: standard input is a terminal."],
  [
    "job all x --input @/nowhere/f",
    2,
    "--input: \"/nowhere/f\" cannot be read: ENOENT: no such file or directory, open '/nowhere/f'",
  ],
  ["job all x --label a", 2, '--label: "a" is not KEY=VALUE.'],
  ["job all x --overlap skp", 2, '--overlap: "skp" is not one of skip, allow.'],
  ["job all x --dryRun", 2, "There is no option --dryRun."],
  ["job all x -dz", 2, "There is no option -z."],
  ["job wait x", 2, '"x" is one word too many for "qntx job wait".'],
  ["run wiat", 2, 'There is no command "wiat" in "qntx job".'],
  ["fails job_7f", 5, "Job job_7f is done."],
  ["job remove", 2, "Remove it? There is nobody here to ask."],
];

for (const [line, exit, sentence] of BAD) {
  test(`${line} is refused`, async () => {
    const { code, stdout, stderr } = await type(line);
    expect(stderr.split("\n")[0]).toBe(`qntx: ${sentence}`);
    expect({ code, stdout }).toEqual({ code: exit, stdout: "" });
  });
}

test("a command may end with a code of its own", async () => {
  expect((await type("run wait")).code).toBe(8);
});

test("--yes answers, and --quiet keeps the talk away", async () => {
  expect(await type("job remove --yes")).toEqual({ code: 0, stdout: "", stderr: "Removed.\n" });
  expect(await type("-q job remove -y")).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("a mistake of ours is shown whole, in words and in JSON", async () => {
  const { code, stderr } = await type("fails bug");
  expect(code).toBe(1);
  expect(stderr).toContain("This is a mistake in qntx itself");
  expect(stderr).toContain("TypeError: x is undefined");
  expect(stderr).toContain("command.test.ts");
  expect(JSON.parse((await type("--json fails bug")).stderr)).toEqual({
    error: { code: "internal", message: "x is undefined", hint: null, fields: [] },
  });
});

test("help of a noun does not load its commands", async () => {
  const unloadable = lazy("Never loaded", () => Promise.reject(new Error("it was loaded")));
  const world = testWorld({ argv: ["--help"] });
  expect(await run(group("Test", { unloadable, noun: group("More", { unloadable }) }), world)).toBe(0);
  expect(world.printed.stdout).toContain("  unloadable  Never loaded\n  noun        More\n");
});

test("help of a command lists what it takes", async () => {
  expect((await type("job all --bogus --help")).stdout).toBe(`Everything

Usage: qntx job all <NAME> [MORE...] [options]

Arguments:
  <NAME>     A name
  [MORE...]  More names

Options:
      --in IN               How long (default 0s)
      --at AT               When
  -n, --limit LIMIT         How many
      --input INPUT         What
      --code CODE           A file
  -l, --label LABEL         A label (may be repeated)
      --overlap skip|allow  What then (default skip)
  -d, --dry-run             Only look
  -f, --no-follow           Go on

Global options:
      --json         Print data, and errors, as JSON
  -q, --quiet        Print data and errors, nothing else
      --no-color     Print without colours
      --home DIR     Data folder (default ~/.qntx)
      --config FILE  Read this file instead of qntx.toml
      --server URL   Talk to the host at this address
  -h, --help         Show help
`);
});

test("a command may not take the name of a global option", () => {
  expect(() => command({ args: { json: { type: "boolean" } }, run: async () => {} })).toThrow("json");
});
