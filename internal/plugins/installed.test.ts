/** What an installed plugin is started from, again and again. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realEnv } from "../base/env.ts";
import { installRoot, programIn } from "./installed.ts";
import { place } from "./placing.ts";
import { Harness, writeOdd, writeProgram } from "./testdata/harness.ts";

setDefaultTimeout(60_000); // Real processes on a loaded machine.

test("a plugin of several Python files can be started again: nothing was written beside them", async () => {
  await using host = new Harness({ enabled: [], limits: { portLineMs: 600 } });
  await host.plugins.settled;
  const from = join(host.folder, "from");
  mkdirSync(from);
  writeOdd(host.folder, "odd", "plain");
  renameSync(join(host.folder, "qntx-odd-plugin"), join(from, "odd"));
  writeFileSync(join(from, "main.py"), "import shared\n");
  writeFileSync(join(from, "shared.py"), "");
  writeProgram(
    join(from, "qntx-py-plugin"),
    '#!/bin/sh\ncd "${0%/*}" && python3 main.py && exec ./odd "$@"\n',
  );
  const { digest, folder } = await place(realEnv, from, installRoot(host.home, "py"));
  const program = { digest, ...programIn(folder), file: from };
  const added = await host.plugins.add({ name: "py", tenant: "", ...program, at: 0, by: "test" });
  expect(added).toMatchObject({ state: "ready" });
  expect(await host.plugins.restart("py")).toMatchObject({ state: "ready", reason: "" });
});

test("what was installed under the name of an enabled plugin does not keep the host from starting, nor end the other", async () => {
  const program = { digest: "none", kind: "python", entry: "x.py", file: "x.py" } as const;
  const install = { name: "odd", tenant: "", ...program, at: 0, by: "test" };
  await using host = new Harness({
    enabled: ["odd"],
    installs: [install],
    write: (folder) => writeOdd(folder, "odd", "plain"),
    limits: { portLineMs: 600 },
  });
  await host.plugins.settled;
  const { pid } = await host.state("odd", "ready");
  expect(host.logged.join()).toContain("what was installed under that name is not started");
  const steps = { accept: async () => {}, keep: async () => {} };
  await expect(host.plugins.upgrade(install, steps)).rejects.toThrow("There is a plugin");
  await host.plugins.remove("odd");
  expect(host.plugins.status("odd")).toMatchObject({ state: "ready", pid });
  expect(host.plugins.isInstalled("odd")).toBe(false);
});

test("what is switched off is not started by start or restart, which would hold until the host ends", async () => {
  const write = (folder: string) => writeOdd(folder, "odd", "plain");
  await using host = new Harness({ enabled: ["odd"], write, limits: { portLineMs: 600 } });
  await host.plugins.settled;
  expect(await host.plugins.enable("odd", false)).toMatchObject({ state: "disabled", pid: null });
  expect(() => host.plugins.start("odd")).toThrow("Plugin odd is switched off.");
  await expect(host.plugins.restart("odd")).rejects.toThrow("Plugin odd is switched off.");
  expect(host.plugins.status("odd")).toMatchObject({ state: "disabled", pid: null });
  expect(await host.plugins.enable("odd", true)).toMatchObject({ state: "ready" });
});
