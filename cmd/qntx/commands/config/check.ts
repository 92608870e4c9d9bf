/** `qntx config check`: says everything that is wrong with the configuration, or that nothing is. */
import { command } from "../../command.ts";
import { counted } from "../../layout.ts";
import { openConfig } from "../../settings.ts";

export const configCheck = command({
  details: "Ends with 3 when something is wrong, and names each mistake with its file and line.",
  examples: [{ line: "qntx config check --config new.toml", why: "before it is put in place" }],
  async run({ globals, out, world }) {
    const { file, plugin, schedules } = await openConfig(world, globals);
    if (schedules.length > 0) {
      const { checkDeclarations, declarationsOf, FILE_OWNER } =
        await import("../../../../internal/operations/declare.ts");
      await checkDeclarations(world.env, FILE_OWNER, declarationsOf(schedules));
    }
    const counts = `${counted(plugin.enabled.length, "plugin")} enabled, ${counted(schedules.length, "schedule")}`;
    out.data(
      { ok: true, file, plugins: plugin.enabled, schedules: schedules.map(({ id }) => id) },
      file === null
        ? "There is no configuration file; every key has its default."
        : `${file} is fine: ${counts}.`,
    );
  },
});
