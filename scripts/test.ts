/** `npm test`: the whole check. Types, format, lint, generated files, then every test, on the binary that was just built. */
import { join } from "node:path";
import { BUN, ROOT, runSteps, type Step } from "./steps.ts";
import { installSystem } from "./system.ts";

const bin = (name: string) => join(ROOT, "node_modules", ".bin", name);

const missing = installSystem();
if (missing.length > 0) {
  process.stdout.write(
    `These are not on this machine; tests that need them will fail: ${missing.join(", ")}\n`,
  );
}

const steps: Step[] = [
  { name: "types", argv: [BUN, "check"] },
  { name: "format", argv: [BUN, "fmt", "--check", "."] },
  { name: "lint", argv: [bin("oxlint"), "--deny-warnings"] },
  { name: "generated code is what the sources give", argv: [BUN, "scripts/gen.ts", "--check"] },
  { name: "documents are what the sources give", argv: [BUN, "scripts/docs.ts", "--check"] },
  { name: "build", argv: [BUN, "scripts/build.ts"] },
  {
    name: "tests",
    argv: [BUN, "test", "--parallel=2", "--timeout=120000"],
    vars: { QNTX_BIN: join(ROOT, "dist", "qntx") },
    counts: true,
  },
];

process.exit(await runSteps(steps));
