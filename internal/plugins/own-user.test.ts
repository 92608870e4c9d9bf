import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { closedTo, giveFolder, openPassage, ownUser, showFolder } from "./own-user.ts";
import { tempFolder } from "./testdata/harness.ts";

const isRoot = process.getuid?.() === 0;
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("a plugin has the same user after every start, and no other plugin or host has it", () => {
  const one = ownUser("/data", "weather");
  expect(ownUser("/data", "weather")).toEqual(one);
  expect(one.uid).toBe(one.gid);
  expect(one.uid).toBeGreaterThanOrEqual(1_900_000_000);
  const others = [ownUser("/data", "sales"), ownUser("/other", "weather")];
  for (const { uid } of others) expect(uid).not.toBe(one.uid);
});

test.each([
  // folder, file, may, what is closed
  [0o755, 0o644, "read", null],
  [0o711, 0o644, "read", null],
  [0o700, 0o644, "read", "folder"],
  [0o755, 0o600, "read", "file"],
  [0o711, 0o600, "pass", null],
] as const)(
  "in a folder of mode %o a file of mode %o may be %p: %p is closed",
  (folder, file, may, closed) => {
    using temp = tempFolder();
    chmodSync(temp.path, 0o755);
    const inside = join(temp.path, "in");
    mkdirSync(inside);
    const path = join(inside, "file");
    writeFileSync(path, "");
    chmodSync(path, file);
    chmodSync(inside, folder);
    const expected = closed === null ? null : closed === "folder" ? inside : path;
    expect(closedTo(ownUser("/", "x"), path, may)).toBe(expected);
  },
);

test("others pass through the data folder, see nothing of it, and what a person opens stays open", () => {
  using temp = tempFolder();
  for (const name of ["sdk", "plugins", "plugins-data"]) mkdirSync(join(temp.path, name));
  for (const name of ["qntx.db", "qntx.toml"]) writeFileSync(join(temp.path, name), "");
  openPassage(temp.path);
  const modes = ["", "sdk", "plugins", "plugins-data", "qntx.db", "qntx.toml"].map((name) =>
    modeOf(join(temp.path, name)),
  );
  expect(modes).toEqual(["701", "711", "750", "711", "640", "640"]);

  chmodSync(join(temp.path, "plugins"), 0o755);
  chmodSync(join(temp.path, "qntx.db"), 0o644);
  openPassage(temp.path);
  expect([modeOf(join(temp.path, "plugins")), modeOf(join(temp.path, "qntx.db"))]).toEqual(["755", "640"]);
});

test.skipIf(!isRoot)("a folder is given away whole, and one that is shown cannot be changed", () => {
  using temp = tempFolder();
  const user = ownUser(temp.path, "weather");
  const deep = join(temp.path, "a", "b");
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, "program"), "", { mode: 0o700 });
  writeFileSync(join(deep, "text"), "", { mode: 0o600 });
  showFolder(temp.path, user);
  expect([modeOf(join(deep, "program")), modeOf(join(deep, "text"))]).toEqual(["750", "640"]);
  expect(statSync(join(deep, "text"))).toMatchObject({ uid: 0, gid: user.gid });
  giveFolder(temp.path, user);
  for (const path of [temp.path, deep, join(deep, "text")]) expect(statSync(path).uid).toBe(user.uid);
});

test.skipIf(!isRoot)("nobody is given or shown what a link in the folder leads to", () => {
  using temp = tempFolder();
  const [own, others] = [join(temp.path, "own"), join(temp.path, "others")];
  for (const folder of [own, others]) mkdirSync(folder);
  const secret = join(others, "secret");
  writeFileSync(secret, "", { mode: 0o600 });
  symlinkSync(others, join(own, "folder"));
  symlinkSync(secret, join(own, "file"));
  showFolder(own, ownUser(temp.path, "weather"));
  giveFolder(own, ownUser(temp.path, "weather"));
  for (const path of [others, secret]) expect(statSync(path)).toMatchObject({ uid: 0, gid: 0 });
  expect(modeOf(secret)).toBe("600");
});
