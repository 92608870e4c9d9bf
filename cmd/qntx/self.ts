/** Self: the words that start this program again. */
import { selfCommand } from "../../sdk/typescript/self.ts";

/** `[qntx]` compiled, `[bun, …, main.ts]` in development; a role or a command line follows. */
export function programArgv(): string[] {
  return selfCommand("").slice(0, -1);
}
