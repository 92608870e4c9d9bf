/** The binary's plugin role alone, for tests: what `qntx __plugin …` does. */
import { runPluginRole } from "../../../sdk/typescript/role.ts";

await runPluginRole(process.argv.slice(3));
