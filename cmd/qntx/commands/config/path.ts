/** `qntx config path`: which qntx.toml is read. */
import { Fault } from "../../../../internal/base/fault.ts";
import { command } from "../../command.ts";
import { openConfig } from "../../settings.ts";

export const configPath = command({
  details:
    "Looked for in the data folder, then in the current one; the first that is there is read, alone.\n" +
    "--config FILE or QNTX_CONFIG names another.",
  examples: [{ line: '"$EDITOR" "$(qntx config path)"', why: "edit the configuration that is in force" }],
  async run({ globals, out, world }) {
    const { file, searched, passedOver, home } = await openConfig(world, globals);
    for (const path of passedOver) out.say(`${path} is not read.`);
    if (file === null && !out.json) {
      throw new Fault("not-found", "There is no configuration file; every key has its default.", {
        hint: `Looked for ${searched.join(" and ")}.`,
      });
    }
    out.data({ file, searched, home }, file ?? "");
  },
});
