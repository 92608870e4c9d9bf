/** `qntx completion SHELL`: the script that makes Tab work. */
import { command } from "../command.ts";
import { SHELLS } from "../completion.ts";
import { STUBS } from "../completion-stubs.ts";

export const completion = command({
  args: {
    shell: {
      type: "positional",
      description: "The shell that the script is for",
      options: [...SHELLS],
    },
  },
  examples: [
    { line: "source <(qntx completion bash)", why: "in ~/.bashrc" },
    { line: "source <(qntx completion zsh)", why: "in ~/.zshrc, after compinit" },
    { line: "qntx completion fish > ~/.config/fish/completions/qntx.fish", why: "once" },
  ],
  async run({ args, out }) {
    out.data({ shell: args.shell, script: STUBS[args.shell] }, STUBS[args.shell]);
  },
});
