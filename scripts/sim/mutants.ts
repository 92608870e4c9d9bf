/**
 * Mutants: all of them. A simulation that does not fall over each of them proves
 * little.
 */
import { JOB_MUTANTS } from "./job-mutants.ts";
import { LIMIT_MUTANTS } from "./limit-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { POLICY_MUTANTS } from "./policy-mutants.ts";
import { SCHEDULE_MUTANTS } from "./schedule-mutants.ts";

export const MUTANTS: readonly Mutant[] = [
  ...JOB_MUTANTS,
  ...LIMIT_MUTANTS,
  ...SCHEDULE_MUTANTS,
  ...POLICY_MUTANTS,
];
