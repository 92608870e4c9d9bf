/**
 * The secrets of plugins. Which one has which is said in [secrets.<plugin>] of the
 * configuration; each is fetched when it is asked for, and kept nowhere.
 */
import { z } from "zod";
import { Fault, shown } from "../base/fault.ts";
import { secretsOwner } from "../config/file-secrets.ts";
import { section } from "./idle-sections.ts";
import { operation } from "./operation.ts";

const NAME_CHARS_MAX = 128; // As in the configuration.

export const secretGet = operation({
  name: "secret.get",
  summary: "A secret of the plugin that asks",
  plugin: "cap:secrets.get",
  needsHost: true,
  notesMisses: true,
  input: z.strictObject({
    name: z.string().min(1, "is missing.").max(NAME_CHARS_MAX, `has more than ${NAME_CHARS_MAX} characters.`),
  }),
  async run({ host, principal }, { name }) {
    const isPlugin = principal.kind === "plugin";
    const value = isPlugin && host ? await host.secrets.get(principal, name) : null;
    if (value !== null) return { value };
    const where = section("secrets", isPlugin ? secretsOwner(principal) : "NAME");
    throw new Fault("not-found", `There is no secret ${shown(name)} for this plugin.`, {
      hint: `Those that it may have are named under ${where} in qntx.toml.`,
    });
  },
});
