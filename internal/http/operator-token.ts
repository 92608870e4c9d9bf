/** The operator's token: made once per data folder, in a file that its owner alone can read. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../base/disk.ts";
import type { Env } from "../base/env.ts";
import { Fault } from "../base/fault.ts";

const TOKEN_BYTES = 32; // 256 bits: not to be guessed.
const OWNERS_MODE = 0o600;
const OTHERS = 0o077;

/** Reads the token of a data folder; makes it the first time. Throws a Fault when others can read it. */
export function operatorToken(env: Env, home: string): string {
  const path = join(home, "operator.token");
  if (!existsSync(path))
    writeWhole(path, `${Buffer.from(env.bytes(TOKEN_BYTES)).toString("hex")}\n`, OWNERS_MODE);
  if ((statSync(path).mode & OTHERS) !== 0) {
    throw new Fault("config", `${path} can be read by others.`, {
      hint: `Delete it, so that a new token is made, or run: chmod 600 ${path}`,
    });
  }
  const token = readFileSync(path, "utf8").trim();
  if (token !== "") return token;
  throw new Fault("config", `${path} is empty.`, { hint: "Delete it; a new token is made." });
}
