/**
 * `qntx config show`: every value in force, written as a qntx.toml.
 *
 * People paste this into bug reports, so what may be a secret written out is not
 * shown; references (`env:NAME`) are.
 */
import { formatRate, type Rate } from "../../../../internal/base/rate.ts";
import type { Config } from "../../../../internal/config/config.ts";
import { type ConfigKey, configKeys, type Key, KEYS } from "../../../../internal/config/keys.ts";
import { quoted } from "../../../../internal/config/kinds.ts";
import { isSecretName, type PluginSection } from "../../../../internal/config/plugin-section.ts";
import { isReference } from "../../../../internal/config/references.ts";
import { command } from "../../command.ts";
import { openConfig } from "../../settings.ts";

export const configShow = command({
  args: {
    origin: { type: "boolean", description: "Say beside each value where it comes from" },
  },
  examples: [
    { line: "qntx config show > qntx.toml", why: "start a file with every key in it" },
    { line: "qntx config show --origin", why: "find out why a value is what it is" },
  ],
  async run({ args, globals, out, world }) {
    const config = await openConfig(world, globals);
    out.data(asObject(config, args.origin), () => asToml(config, args.origin));
  },
});

const HIDDEN = "(hidden)";

function asObject(config: Config, withOrigin: boolean): object {
  const { home, file, schedules, handlers, budgets } = config;
  const secrets = config.secrets.map(({ owner, references }) => [owner, Object.fromEntries(references)]);
  const values = configKeys().map((key) => [key, isHidden(config, key) ? HIDDEN : config.values[key]]);
  const origins = Object.fromEntries(configKeys().map((key) => [key, config.origin(key)]));
  const plugins = config.sections.map((section) => [
    section.name,
    { args: section.args, address: section.address, values: shownValues(section) },
  ]);
  return {
    home,
    file,
    values: Object.fromEntries(values),
    plugins: Object.fromEntries(plugins),
    secrets: Object.fromEntries(secrets),
    schedules,
    handlers,
    budgets,
    ...(withOrigin ? { origins } : {}),
  };
}

function asToml(config: Config, withOrigin: boolean): string {
  const note = (key: ConfigKey) => (withOrigin ? `  # ${config.origin(key).where}` : "");
  const lines = [`# home = ${quoted(config.home)}${note("home")}`];
  let section = "";
  for (const key of configKeys().filter((name) => name !== "home")) {
    const [name = "", word = ""] = key.split(".");
    if (name !== section) lines.push("", `[${name}]`);
    section = name;
    lines.push(`${shownLine(config, key, word)}${note(key)}`);
  }
  for (const plugin of config.sections) lines.push("", ...pluginLines(plugin));
  for (const handler of config.handlers) lines.push("", ...handlerLines(handler));
  for (const { owner, references } of config.secrets)
    lines.push(
      "",
      `[secrets.${owner.includes("/") ? quoted(owner) : owner}]`,
      ...[...references].map(([name, at]) => `${quoted(name)} = ${quoted(at)}`),
    );
  for (const { scope, amounts } of config.budgets)
    lines.push("", `[budget.${quoted(scope)}]`, ...Object.entries(amounts).map((entry) => entry.join(" = ")));
  for (const { id, where } of config.schedules)
    lines.push("", `# [[schedule]] ${quoted(id)} stands in ${where}`);
  return lines.join("\n");
}

/** What is hidden is no value of the file that this is: it stands there as a comment. */
function shownLine(config: Config, key: ConfigKey, word: string): string {
  const { kind }: Key<unknown> = KEYS[key];
  return isHidden(config, key)
    ? `# ${word} = ${quoted(HIDDEN)}`
    : `${word} = ${kind.show(config.values[key])}`;
}

/** An address to which anybody may send is as good as a password. */
function isHidden({ values }: Config, key: ConfigKey): boolean {
  const { kind }: Key<unknown> = KEYS[key];
  const value: unknown = values[key];
  return kind.secret === true && typeof value === "string" && value !== "" && !isReference(value);
}

function handlerLines({ handler, ...limits }: Config["handlers"][number]): string[] {
  return [
    `[handler.${quoted(handler)}]`,
    ...Object.entries(limits).map(([key, value]) => `${key} = ${limitShown(value)}`),
  ];
}

function limitShown(value: number | Rate): string {
  return typeof value === "number" ? String(value) : quoted(formatRate(value));
}

function pluginLines(section: PluginSection): string[] {
  const lines = [`[${section.name}]`];
  if (section.address !== null) lines.push(`address = ${quoted(section.address)}`);
  if (section.args.length > 0) lines.push(`args = [${section.args.map(quoted).join(", ")}]`);
  for (const [key, value] of Object.entries(shownValues(section))) {
    lines.push(`${/^[A-Za-z0-9_-]+$/.test(key) ? key : quoted(key)} = ${quoted(value)}`);
  }
  return lines;
}

function shownValues({ values }: PluginSection): Record<string, string> {
  const shown = Object.entries(values).map(([key, value]) => {
    const hide = isSecretName(key) && !isReference(value);
    return [key, hide ? HIDDEN : value] as const;
  });
  return Object.fromEntries(shown);
}
