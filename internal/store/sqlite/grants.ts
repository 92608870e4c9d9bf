/** Grants in SQLite: a row for each capability that somebody granted or revoked. */
import type { Database, Statement } from "bun:sqlite";
import { isCapability } from "../../access/capability.ts";
import type { Grant } from "../../access/grants.ts";
import type { Env } from "../../base/env.ts";
import type { GrantStore } from "../grants.ts";
import type { GroupCommit } from "./group.ts";

interface GrantRow {
  plugin: string;
  capability: string;
  granted: number;
  by: string;
  at: number;
}

export class SqliteGrants implements GrantStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #all: Statement<GrantRow, []>;
  readonly #say: Statement<unknown, [Record<keyof GrantRow, string | number>]>;
  readonly #forget: Statement<unknown, [{ plugin: string }]>;

  constructor(env: Env, db: Database, group: GroupCommit) {
    this.#env = env;
    this.#group = group;
    this.#all = db.prepare("SELECT * FROM capability_grant ORDER BY plugin, capability");
    this.#say = db.prepare(SAY);
    this.#forget = db.prepare("DELETE FROM capability_grant WHERE plugin = $plugin");
  }

  async forget(plugin: string): Promise<void> {
    await this.#group.write(() => this.#forget.run({ plugin }));
  }

  async all(): Promise<Grant[]> {
    return this.#all.all().flatMap(readGrant);
  }

  say(said: Omit<Grant, "at">): Promise<Grant> {
    return this.#group.write(() => {
      const grant = { ...said, at: this.#env.now() };
      this.#say.run({ ...grant, granted: grant.granted ? 1 : 0 });
      return grant;
    });
  }
}

/** A capability that a newer version knew means nothing to this one. */
function readGrant({ capability, granted, ...row }: GrantRow): Grant[] {
  return isCapability(capability) ? [{ ...row, capability, granted: granted === 1 }] : [];
}

const SAY = `
  INSERT INTO capability_grant (plugin, capability, granted, "by", at)
  VALUES ($plugin, $capability, $granted, $by, $at)
  ON CONFLICT (plugin, capability) DO UPDATE
     SET granted = excluded.granted,
         "by"    = excluded."by",
         at      = excluded.at`;
