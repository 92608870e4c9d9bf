/** The binary's roles that plugins are started by, alone, for tests: `qntx __plugin …` and `qntx __confine …`. */
import { runPluginRole } from "../../../sdk/typescript/role.ts";
import { runConfineRole } from "../confine-role.ts";
import { CONFINE_ROLE } from "../confine-words.ts";

const [role, ...rest] = process.argv.slice(2);
if (role === CONFINE_ROLE) runConfineRole(rest);
await runPluginRole(rest);
