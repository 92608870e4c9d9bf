/** What a power cut leaves of writes and names, in each manner; and how strace's words become events. */
import { afterAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../internal/schedule/expressions.ts";
import { Disk, type Manner } from "./power-disk.ts";
import { type Change, readTrace } from "./power-trace.ts";

const folder = mkdtempSync(join(tmpdir(), "qntx-power-test-"));
let places = 0;

afterAll(() => rmSync(folder, { recursive: true }));

type Step = [path: string, change: Change];

const text = (bytes: string, offset = 0): Change => ({ kind: "write", offset, bytes: Buffer.from(bytes) });
const made: Change = { kind: "make", isFolder: false };
const synced: Change = { kind: "sync" };

/** What is left of a folder that had one file `old`, by name. */
function left(steps: readonly Step[], manner: Manner, seed = 1): Record<string, string> {
  const root = join(folder, String(places++));
  mkdirSync(root);
  writeFileSync(join(root, "old"), "old");
  const disk = new Disk(root);
  for (const [path, change] of steps) disk.follow({ at: 0, path: join(root, path), ...named(change, root) });
  const place = join(folder, String(places++));
  mkdirSync(place);
  disk.leave(place, manner, seededRandom(seed));
  const names = readdirSync(place, { recursive: true, encoding: "utf8" }).toSorted();
  return Object.fromEntries(names.map((name) => [name, contentOf(join(place, name))]));
}

function named(change: Change, root: string): Change {
  return change.kind === "rename" ? { ...change, to: join(root, change.to) } : change;
}

function contentOf(path: string): string {
  return existsSync(`${path}/.`) ? "a folder" : readFileSync(path, "utf8");
}

const CREATED: Step[] = [
  ["new", made],
  ["new", text("new")],
];
const RENAMED: Step[] = [...CREATED, ["new", synced], ["new", { kind: "rename", to: "old" }]];

// what happened                          the events                                        when all is lost
const LOST: [string, Step[], Record<string, string>][] = [
  ["nothing", [], { old: "old" }],
  ["a write without a sync", [["old", text("OLD")]], { old: "old" }],
  [
    "a write and a sync",
    [
      ["old", text("OLD")],
      ["old", synced],
    ],
    { old: "OLD" },
  ],
  [
    "a sync before the write",
    [
      ["old", synced],
      ["old", text("OLD")],
    ],
    { old: "old" },
  ],
  ["a new file whose name was not synced", [...CREATED, ["new", synced]], { old: "old" }],
  ["a new file whose bytes were not synced", [...CREATED, ["", synced]], { new: "", old: "old" }],
  ["a new file, both synced", [...CREATED, ["new", synced], ["", synced]], { new: "new", old: "old" }],
  ["a removal without a sync", [["old", { kind: "remove" }]], { old: "old" }],
  [
    "a removal and a sync",
    [
      ["old", { kind: "remove" }],
      ["", synced],
    ],
    {},
  ],
  ["a rename without a sync of the folder", RENAMED, { old: "old" }],
  ["a rename and a sync of the folder", [...RENAMED, ["", synced]], { old: "new" }],
  [
    "a file in a folder whose own name was not synced",
    [
      ["sub", { kind: "make", isFolder: true }],
      ["sub/new", made],
      ["sub", synced],
    ],
    { old: "old" },
  ],
  [
    "SQLite's index, though it was synced",
    [
      ["x-shm", made],
      ["", synced],
    ],
    { old: "old" },
  ],
];

test.each(LOST)("of %s, only what was synced is certain", (_, steps, expected) => {
  expect(left(steps, "lost")).toEqual(expected);
});

test("all is there when the power stays long enough", () => {
  expect(left(RENAMED, "kept")).toEqual({ old: "new" });
  expect(
    left(
      [
        ["old", text("er", 3)],
        ["old", { kind: "truncate", size: 4 }],
      ],
      "kept",
    ),
  ).toEqual({ old: "olde" });
  expect(left([["old", { kind: "write", offset: -1, bytes: Buffer.from("er") }]], "kept")).toEqual({
    old: "older",
  });
});

test("a rename happens or not: there is never neither of the two files", () => {
  const steps: Step[] = [...CREATED, ["new", synced], ["", synced], ["new", { kind: "rename", to: "x" }]];
  const seen = Array.from({ length: 20 }, (_, seed) => Object.keys(left(steps, "reordered", seed)).join());
  expect(new Set(seen)).toEqual(new Set(["new,old", "old,x"]));
});

test("later writes may be there without earlier ones, and zeros where those would be", () => {
  const steps: Step[] = [
    ["old", text("A", 3)],
    ["old", text("B", 4)],
  ];
  const seen = new Set(Array.from({ length: 40 }, (_, seed) => left(steps, "reordered", seed)["old"]));
  expect([...seen].toSorted()).toEqual(["old", "old\0B", "oldA", "oldAB"]);
});

test("a torn write has some of its sectors", () => {
  const steps: Step[] = [["old", text("x".repeat(1_024))]];
  const seen = new Set(Array.from({ length: 40 }, (_, seed) => left(steps, "torn", seed)["old"]));
  expect(seen).toEqual(
    new Set(["old", "x".repeat(512), "x".repeat(1_024), `old${"\0".repeat(509)}${"x".repeat(512)}`]),
  );
});

const TRACE = String.raw`
7 1000.000001 openat(AT_FDCWD</d>, "/d/a", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 9</d/a>
7 1000.100000 pwrite64(9</d/a>, "\0\1\"12\n\377x", 8, 24) = 8
8 1000.150000 openat(AT_FDCWD</d>, "/proc/stat", O_RDONLY) = 4</proc/stat>
7 1000.200000 fsync(9</d/a> <unfinished ...>
8 1000.250000 write(5</elsewhere>, "/d/", 3) = 3
7 1000.300000 <... fsync resumed>) = 0
7 1000.350000 openat(AT_FDCWD</d>, "/d/b", O_WRONLY|O_CREAT|O_APPEND, 0600) = 3</d/b>
7 1000.400000 write(3</d/b>, "hi", 2) = 2
7 1000.450000 rename("/d/b", "/d/c") = 0
7 1000.500000 unlink("/d/none") = -1 ENOENT (No such file or directory)
7 1000.550000 ftruncate(9</d/a>, 4) = 0
7 1000.600000 sendto(19<UNIX-STREAM:[1->2,"/d/host.sock"]>, "{\"id\":\"x\"}", 10, MSG_DONTWAIT, NULL, 0 <unfinished ...>
8 1000.650000 mkdir("/d/f", 0700) = 0
7 1000.700000 <... sendto resumed>) = 10`;

test("a trace is read in order: syncs when they end, what is said when it begins", () => {
  expect(readTrace(TRACE, "/d").map(({ at, path, ...change }) => [at - 1_000_000, path, change])).toEqual(
    [
      [0.001, "/d/a", { kind: "make", isFolder: false }],
      [100, "/d/a", { kind: "write", offset: 24, bytes: Buffer.from('\x00\x01"12\n\xffx', "latin1") }],
      [300, "/d/a", { kind: "sync" }],
      [350, "/d/b", { kind: "make", isFolder: false }],
      [400, "/d/b", { kind: "write", offset: -1, bytes: Buffer.from("hi") }],
      [450, "/d/b", { kind: "rename", to: "/d/c" }],
      [550, "/d/a", { kind: "truncate", size: 4 }],
      [600, 'UNIX-STREAM:[1->2,"/d/host.sock"]', { kind: "say", text: '{"id":"x"}' }],
      [650, "/d/f", { kind: "make", isFolder: true }],
    ].map(([at, ...rest]) => [expect.closeTo(Number(at), 2), ...rest]),
  );
});

test.each([
  ["a call that it does not know", `fallocate(9</d/a>, 0, 0, 4096) = 0`],
  [
    "a file that is changed through memory",
    `mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 9</d/a>, 0) = 0x7f00`,
  ],
  ["a write that is not all there", `pwrite64(9</d/a>, "ab"..., 4096, 0) = 4096`],
])("a trace is refused that has %s", (_, call) => {
  expect(() => readTrace(`7 1000.1 ${call}`, "/d")).toThrow();
});

test("SQLite's own index may be changed through memory", () => {
  const call = `mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 9</d/x-shm>, 0) = 0x7f00`;
  expect(readTrace(`7 1000.1 ${call}`, "/d")).toEqual([]);
});
