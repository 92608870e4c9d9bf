/**
 * `npm run prove`: the long proofs, whole. Each is a program of its own that can be
 * run with another seed, and of which `npm test` runs a slice.
 */
import { join } from "node:path";
import { BUN, ROOT, runSteps, type Step } from "./steps.ts";
import { installSystem } from "./system.ts";

const missing = installSystem();
if (missing.length > 0) {
  process.stdout.write(`These are not on this machine; proofs that need them fail: ${missing.join(", ")}\n`);
}

const vars = { QNTX_BIN: join(ROOT, "dist", "qntx") };
const IDLE_MS = "30000"; // Much longer than the second in which an idle runtime collects.

const steps: Step[] = [
  { name: "build", argv: [BUN, "scripts/build.ts"] },
  {
    name: "schedules against the oracle, and against croner, wherever the process is",
    argv: [BUN, "scripts/prove/zones.ts"],
  },
  { name: "lives of schedules", argv: [BUN, "scripts/prove/lives.ts"] },
  { name: "reasons for which jobs wait", argv: [BUN, "scripts/prove/waits.ts"] },
  { name: "simulation", argv: [BUN, "scripts/sim/main.ts", "--seeds", "1000", "--mutants"] },
  { name: "crashes", argv: [BUN, "scripts/prove/crashes.ts"], vars },
  { name: "mid-commit kills", argv: [BUN, "scripts/prove/commit.ts", "--points", "60"], vars },
  { name: "power cuts", argv: [BUN, "scripts/prove/power.ts"], vars },
  { name: "answering times of what is another's", argv: [BUN, "scripts/prove/answering.ts"], vars },
  { name: "broken frames, from both sides", argv: [BUN, "scripts/prove/fuzz.ts"], vars },
  { name: "a hostile guest", argv: [BUN, "scripts/prove/hostile.ts"], vars },
  { name: "locks of two hosts", argv: [BUN, "scripts/prove/locks.ts"], vars },
  {
    name: "the lock of an idle host",
    argv: [BUN, "test", "internal/serve/e2e/kill-lock.test.ts"],
    vars: { ...vars, QNTX_PROVE_IDLE_MS: IDLE_MS },
    counts: true,
  },
];

process.exit(await runSteps(steps));
