/** Plugins in SQLite: a row for each install, one for each thing that became of it, one for each plugin that is switched off. */
import type { Database, Statement } from "bun:sqlite";
import type { Env } from "../../base/env.ts";
import { Fault } from "../../base/fault.ts";
import type { Install, InstallChange, InstallEntry, Program } from "../../plugin/install.ts";
import { isServiceWord, type ServiceWord } from "../../plugin/service.ts";
import { INSTALLS_MAX, type PluginStore } from "../plugins.ts";
import type { Page, PageRequest } from "../page.ts";
import type { GroupCommit } from "./group.ts";
import { pageOf, readPage } from "./page.ts";

type Values = Record<string, string | number>;

export class SqlitePlugins implements PluginStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #all: Statement<Install, []>;
  readonly #get: Statement<Install, [Values]>;
  readonly #insert: Statement<unknown, [Values]>;
  readonly #change: Statement<unknown, [Values]>;
  readonly #remove: Statement<unknown, [Values]>;
  readonly #note: Statement<unknown, [Values]>;
  readonly #history: Statement<InstallEntry & { seq: number }, [Values]>;
  readonly #provided: Statement<{ plugin: string; services: string }, []>;
  readonly #provide: Statement<unknown, [Values]>;
  readonly #provideNothing: Statement<unknown, [Values]>;
  readonly #disabled: Statement<{ name: string }, []>;
  readonly #disable: Statement<unknown, [Values]>;
  readonly #enable: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit) {
    this.#env = env;
    this.#group = group;
    this.#all = db.prepare("SELECT * FROM plugin_install ORDER BY name");
    this.#get = db.prepare("SELECT * FROM plugin_install WHERE name = $name");
    this.#insert = db.prepare(INSERT);
    this.#change = db.prepare(CHANGE);
    this.#remove = db.prepare("DELETE FROM plugin_install WHERE name = $name");
    this.#note = db.prepare(NOTE);
    this.#history = db.prepare(HISTORY);
    this.#provided = db.prepare("SELECT plugin, services FROM plugin_provides ORDER BY plugin");
    this.#provide = db.prepare(PROVIDE);
    this.#provideNothing = db.prepare("DELETE FROM plugin_provides WHERE plugin = $plugin");
    this.#disabled = db.prepare("SELECT name FROM plugin_disabled ORDER BY name");
    this.#disable = db.prepare(DISABLE);
    this.#enable = db.prepare("DELETE FROM plugin_disabled WHERE name = $name");
  }

  async installs(): Promise<Install[]> {
    return this.#all.all();
  }

  install(wanted: Omit<Install, "at">): Promise<Install | null> {
    return this.#group.write(() => {
      if (this.#get.get({ name: wanted.name })) return null;
      if (this.#all.all().length >= INSTALLS_MAX)
        throw new Fault("exhausted", `${INSTALLS_MAX} plugins are installed; no more can be.`);
      const install = { ...wanted, at: this.#env.now() };
      this.#insert.run(install);
      this.#say(install, "installed");
      return install;
    });
  }

  change(
    name: string,
    { program, change, by }: { program: Program; change: InstallChange; by: string },
  ): Promise<Install | null> {
    return this.#group.write(() => {
      const before = this.#get.get({ name });
      if (!before) return null;
      const install = { ...before, ...program, by, at: this.#env.now() };
      this.#change.run({ name, ...program, by, at: install.at });
      this.#say(install, change);
      return install;
    });
  }

  remove(name: string, by: string): Promise<Install | null> {
    return this.#group.write(() => {
      const install = this.#get.get({ name });
      if (!install) return null;
      this.#remove.run({ name });
      this.#enable.run({ name });
      this.#say({ ...install, by, at: this.#env.now() }, "removed");
      return install;
    });
  }

  #say({ name, digest, kind, entry, file, at, by }: Install, change: InstallChange): void {
    this.#note.run({ name, digest, kind, entry, file, at, by, change });
  }

  async history(name: string, page: PageRequest): Promise<Page<InstallEntry>> {
    const { limit, before } = readPage(page);
    const rows = this.#history.all({ name, before, limit: limit + 1 });
    return pageOf(rows, limit, readEntry, (row) => String(row.seq));
  }

  async provided(): Promise<{ plugin: string; services: readonly ServiceWord[] }[]> {
    return this.#provided.all().map(({ plugin, services }) => ({
      plugin,
      services: services.split(",").filter(isServiceWord), // What a newer version knew means nothing here.
    }));
  }

  async provide(plugin: string, services: readonly ServiceWord[]): Promise<void> {
    await this.#group.write(() => {
      if (services.length === 0) this.#provideNothing.run({ plugin });
      else this.#provide.run({ plugin, services: services.join(",") });
    });
  }

  async disabled(): Promise<string[]> {
    return this.#disabled.all().map(({ name }) => name);
  }

  enable(name: string, enabled: boolean, by: string): Promise<boolean> {
    return this.#group.write(() => {
      const { changes } = enabled
        ? this.#enable.run({ name })
        : this.#disable.run({ name, by, at: this.#env.now() });
      return changes > 0;
    });
  }
}

function readEntry({ change, digest, kind, entry, file, at, by }: InstallEntry): InstallEntry {
  return { change, digest, kind, entry, file, at, by };
}

const INSERT = `
  INSERT INTO plugin_install (name, tenant, digest, kind, entry, file, at, "by")
  VALUES ($name, $tenant, $digest, $kind, $entry, $file, $at, $by)`;

const CHANGE = `
  UPDATE plugin_install
     SET digest = $digest,
         kind   = $kind,
         entry  = $entry,
         file   = $file,
         at     = $at,
         "by"   = $by
   WHERE name = $name`;

const NOTE = `
  INSERT INTO plugin_history (name, change, digest, kind, entry, file, at, "by")
  VALUES ($name, $change, $digest, $kind, $entry, $file, $at, $by)`;

const HISTORY = `
  SELECT seq, change, digest, kind, entry, file, at, "by"
    FROM plugin_history
   WHERE name = $name
     AND seq  < $before
   ORDER BY seq DESC
   LIMIT $limit + 0`;

const PROVIDE = `
  INSERT INTO plugin_provides (plugin, services)
  VALUES ($plugin, $services)
  ON CONFLICT (plugin) DO UPDATE
     SET services = excluded.services`;

const DISABLE = `
  INSERT INTO plugin_disabled (name, at, "by")
  VALUES ($name, $at, $by)
  ON CONFLICT (name) DO NOTHING`;
