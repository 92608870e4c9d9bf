/** Runs the conformance suite on SQLite, on real files. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeEnv } from "../../base/fake-env.ts";
import type { Opened } from "../storetest/fixture.ts";
import { attestationSuite } from "../storetest/attestations.ts";
import { jobSuite } from "../storetest/jobs.ts";
import { scheduleSuite } from "../storetest/schedules.ts";
import { openDatabase } from "./open.ts";
import { SqliteStore } from "./store.ts";

async function open(): Promise<Opened> {
  const home = mkdtempSync(join(tmpdir(), "qntx-store-"));
  const env = new FakeEnv();
  const store = new SqliteStore(env, {
    db: openDatabase(join(home, "qntx.db")),
    logPath: join(home, "logs.db"),
    tzdata: "test",
  });
  return {
    env,
    store,
    async close() {
      await store.close();
      rmSync(home, { recursive: true });
    },
  };
}

jobSuite("sqlite", open);
scheduleSuite("sqlite", open);
attestationSuite("sqlite", open);
