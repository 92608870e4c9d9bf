/** The keeper alone, for tests: `keeper.ts ARGV…` keeps what ARGV starts. */
import { realEnv } from "../../base/env.ts";
import { runKeeper } from "../keeper.ts";

process.exit(await runKeeper(realEnv, { argv: process.argv.slice(2), vars: process.env }));
