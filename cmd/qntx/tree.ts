/**
 * Tree: every command of qntx: its name, the line that help shows, and the file
 * that is loaded when it is used. A new command is one file and one line here.
 *
 * Nothing may be imported from a command's file but through `lazy`, or `--help`
 * would load it.
 */
import { group, type Group, lazy } from "./command.ts";

export const tree: Group = group(
  "One binary that runs other people's code on time, and can prove that it did.",
  {
    serve: lazy("Run the host", () => import("./commands/serve.ts").then((file) => file.serve)),
    config: group("The configuration: qntx.toml, the environment and flags", {
      show: lazy("Show every value that is in force", () =>
        import("./commands/config/show.ts").then((file) => file.configShow),
      ),
      check: lazy("Check the configuration and say what is wrong with it", () =>
        import("./commands/config/check.ts").then((file) => file.configCheck),
      ),
      path: lazy("Show which file is read", () =>
        import("./commands/config/path.ts").then((file) => file.configPath),
      ),
    }),
    completion: lazy("Print the completion script for a shell", () =>
      import("./commands/completion.ts").then((file) => file.completion),
    ),
    version: lazy("Show the version and what it was built from", () =>
      import("./commands/version.ts").then((file) => file.version),
    ),
    __complete: lazy(
      "Words that may come next; called by the completion scripts",
      () => import("./commands/complete.ts").then((file) => file.complete),
      { hidden: true },
    ),
  },
);
