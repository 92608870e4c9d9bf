/** Version: what this build calls itself, the same in every face: CLI, HTTP, plugins. */
import { version } from "../../package.json";

/** Set by scripts/build.ts through `--define`; absent when run from source. */
declare const QNTX_COMMIT: string | undefined;

/** The version in package.json at the time of the build. */
export const VERSION: string = version;

/** The commit that was built; null when run from source, or when there was no git. */
export const COMMIT: string | null = typeof QNTX_COMMIT === "string" ? QNTX_COMMIT : null;
