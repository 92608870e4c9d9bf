/** Completion: what is offered where, and that real shells get it through their stubs. */
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realEnv } from "../../internal/base/env.ts";
import { type Complete, command, group, lazy } from "./command.ts";
import { completionLines, type Shell } from "./completion.ts";
import { STUBS } from "./completion-stubs.ts";
import { testWorld } from "./world-for-tests.ts";

const names: Complete = async (_world, globals) => [
  { word: "nightly", description: "Cleans up" },
  { word: "ix:poll", description: "a: b" },
  { word: "$(evil)" },
  { word: globals.home ?? "homeless" },
];

const tree = group("Test", {
  schedule: group("Schedules", {
    pause: lazy("Pause one", async () =>
      command({
        args: {
          name: { type: "positional", description: "Which", complete: names },
          note: { type: "string", description: "Why" },
          overlap: { type: "enum", options: ["skip", "allow"], description: "What then" },
          label: { type: "string", repeat: true, description: "Label" },
          file: { type: "string", alias: "f", complete: "files", description: "A file" },
          slow: { type: "string", complete: () => new Promise(() => {}), description: "Never answers" },
          broken: { type: "string", complete: () => Promise.reject(new Error("no host")), description: "x" },
        },
        run: async () => {},
      }),
    ),
    play: lazy("Play one", async () => command({ run: async () => {} })),
  }),
  secret: lazy("Not shown", async () => command({ run: async () => {} }), { hidden: true }),
  toolong: lazy("Tool", async () => command({ run: async () => {} })),
});

/** The lines for what stands left of the cursor; a trailing space means that a new word begins. */
function offered(line: string, shell: Shell = "zsh", world = testWorld({})): Promise<string[]> {
  return completionLines(tree, world, shell, line.split(" "));
}

// line, what zsh is offered
const OFFERS: readonly (readonly [string, readonly string[]])[] = [
  ["", ["schedule:Schedules", "toolong:Tool"]],
  ["sch", ["schedule:Schedules"]],
  ["sec", []],
  ["schedule ", ["pause:Pause one", "play:Play one"]],
  ["schedule pa", ["pause:Pause one"]],
  ["--json schedule pl", ["play:Play one"]],
  ["--home /h schedule pause /", ["/h"]],
  ["schedule pause ", ["nightly:Cleans up", "ix\\:poll:a: b", "homeless"]],
  ["schedule pause ni", ["nightly:Cleans up"]],
  ["schedule pause nightly ", []],
  ["schedule pause --no", ["--note:Why", "--no-color:Print without colours"]],
  ["schedule pause --note why --no", ["--no-color:Print without colours"]],
  ["schedule pause --label a --lab", ["--label:Label"]],
  ["schedule pause --note ", []],
  ["schedule pause --overlap ", ["skip", "allow"]],
  ["schedule pause --overlap=a", ["--overlap=allow"]],
  ["schedule pause --file ", [":files"]],
  ["schedule pause -f ", [":files"]],
  ["schedule pause --file=", [":files"]],
  ["schedule pause --broken ", []],
  ["schedule pause -- --", []],
  ["toString ", ["schedule:Schedules", "toolong:Tool"]],
  ["schedule pause --banana ni", ["nightly:Cleans up"]],
];

for (const [line, lines] of OFFERS) {
  test(`after ${JSON.stringify(line)}`, async () => {
    expect(await offered(line)).toEqual([...lines]);
  });
}

test("names that take too long are given up", async () => {
  let limitMs = 0;
  const env = {
    ...realEnv,
    after(delayMs: number, work: () => void) {
      limitMs = delayMs;
      queueMicrotask(work);
      return () => {};
    },
  };
  expect(await offered("schedule pause --slow ", "zsh", testWorld({ env }))).toEqual([]);
  expect(limitMs).toBe(300);
});

test("bash gets its split words together again, and only the part behind the break", async () => {
  expect(await offered("schedule pause --overlap = a", "bash")).toEqual(["allow"]);
  expect(await offered("schedule pause --overlap =", "bash")).toEqual(["skip", "allow"]);
  expect(await offered("schedule pause ix : p", "bash")).toEqual(["poll"]);
  expect(await offered("schedule pause ix :", "bash")).toEqual(["poll"]);
});

// How each shell is asked, without a terminal, what it would offer after "qntx completion ".
const ASK: Readonly<Record<Shell, string>> = {
  bash: `source ./stub; COMP_WORDS=(qntx completion ''); COMP_CWORD=2; _qntx; printf '%s\\n' "\${COMPREPLY[@]}"`,
  fish: "source ./stub; complete -C 'qntx completion '",
  // compdef needs compinit, and _describe a real line editor; both are stood in for.
  zsh: `compdef() { :; }; _describe() { print -l -- "\${(@P)2}"; }; source ./stub; words=(qntx completion ''); CURRENT=3; _qntx`,
};

for (const shell of ["bash", "zsh", "fish"] as const) {
  if (Bun.which(shell) === null) continue; // Not every machine has all three.
  test(`${shell} offers the shells after "qntx completion "`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "qntx-completion-"));
    try {
      const program = join(import.meta.dir, "main.ts");
      writeFileSync(join(folder, "stub"), STUBS[shell]);
      writeFileSync(join(folder, "qntx"), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
      chmodSync(join(folder, "qntx"), 0o755);
      const env = { PATH: `${folder}:${process.env["PATH"]}`, HOME: folder };
      const child = Bun.spawn([shell, "-c", ASK[shell]], {
        cwd: folder,
        env,
        stdout: "pipe",
        stderr: "pipe",
      });
      const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      expect({ words: stdout.trim().split(/\s+/).toSorted(), stderr }).toEqual({
        words: ["bash", "fish", "zsh"],
        stderr: "",
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);
}
