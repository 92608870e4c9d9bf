/** `qntx plugin inspect PATH`: what a plugin is and will announce, without running it. */
import { factLines } from "../../facts.ts";
import { command } from "../../command.ts";
import { EXIT, type ExitCode } from "../../exit.ts";
import type { Out } from "../../output.ts";
import { openConfig } from "../../settings.ts";
import type { Inspection } from "../../../../internal/plugins/inspect.ts";

export const pluginInspect = command({
  details:
    "PATH is a file, a folder or an archive, as for plugin install; where there is none, the name of a plugin, which\n" +
    "is looked for where a host would. What a source makes up as it goes only a run tells. Exits 1 when something\n" +
    "speaks against it.",
  args: {
    path: { type: "positional", valueHint: "PATH", complete: "files", description: "The program" },
  },
  examples: [
    { line: "qntx plugin inspect ./poller.ts", why: "before it is installed" },
    { line: "qntx plugin inspect poller", why: "find out which file a host would start, and where it looks" },
  ],
  async run({ args, world, globals, out }): Promise<ExitCode> {
    const { plugin } = await openConfig(world, globals);
    const { inspectPlugin } = await import("../../../../internal/plugins/inspect.ts");
    const { BUNDLED_PLUGINS } = await import("../../../../internal/config/keys.ts");
    const where = { cwd: world.cwd, paths: plugin.paths, bundled: BUNDLED_PLUGINS };
    const inspected = await inspectPlugin(world.env, args.path, where);
    out.data(inspected, () => inspectionFacts(out, inspected));
    return inspected.problems.length === 0 ? EXIT.ok : EXIT.failed;
  },
});

function inspectionFacts(out: Out, inspected: Inspection): string {
  const { name, path, kind, program, mode, digest, tried, manifest, announces, problems } = inspected;
  const said = announces ?? manifest;
  const list = (key: string, values: readonly string[] | undefined) =>
    [...(values ?? []), ...(announces?.open.includes(key) ? ["… the rest only a run tells"] : [])].join("\n");
  return factLines(out, [
    ["name", name],
    ["about", announces?.description || manifest?.description],
    ["version", announces?.version || manifest?.version],
    ["calls itself", said?.name === name ? "" : said?.name],
    ["path", path],
    ["kind", kind ?? "nothing that can be started"],
    ["starts", program],
    ["mode", mode],
    ["SHA-256", digest],
    ["looked in", tried.join("\n")],
    ["wants", list("capabilities", announces?.capabilities)],
    ["handlers", list("jobs", announces?.handlers)],
    ["schedules", list("schedules", announces?.schedules)],
    ["endpoints", list("http", announces?.endpoints)],
    ["watchers", list("watchers", announces?.watchers)],
    ["config", list("config", announces?.config)],
    ["announces", announces === null && problems.length === 0 ? "what only a run tells" : ""],
    ["problems", problems.map((problem) => out.paint("red", problem)).join("\n")],
  ]);
}
