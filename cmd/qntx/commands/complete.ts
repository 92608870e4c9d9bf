/** `qntx __complete SHELL -- WORDS…`: what the completion scripts ask at every Tab. */
import { command } from "../command.ts";
import { completionLines, SHELLS } from "../completion.ts";
import { tree } from "../tree.ts";

export const complete = command({
  args: {
    shell: { type: "positional", description: "The shell that asks", options: [...SHELLS] },
    words: { type: "positional", repeat: true, required: false, description: "The line so far" },
  },
  async run({ args, world }) {
    const lines = await completionLines(tree, world, args.shell, args.words);
    for (const line of lines) world.stdout.write(`${line}\n`);
  },
});
