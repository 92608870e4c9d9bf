/** The configuration: where each value comes from, and the exact sentence for each mistake. */
import { expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UNLIMITED } from "../access/quota.ts";
import { Fault } from "../base/fault.ts";
import { type Config, type LoadOptions, loadConfig } from "./config.ts";

type Given = Partial<LoadOptions> & { toml?: string; files?: Record<string, string> };

/** Loads a configuration in an empty folder that holds the given files. */
function load({ toml, files = {}, ...options }: Given): Config {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "qntx-config-")));
  try {
    if (toml !== undefined) writeFileSync(join(folder, "qntx.toml"), toml);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return loadConfig({ vars: {}, cwd: folder, userHome: join(folder, "person"), ...options });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a person reads when it fails: the message, then the hint or each field. */
function complaint(given: Given | (() => unknown)): string {
  try {
    if (typeof given === "function") given();
    else load(given);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    expect(error.code).toBe("config");
    const fields = error.fields.map(({ field, message }) => `${field}: ${message}`);
    return fields.length > 1 ? [error.message, ...fields].join("\n") : `${error.message} ${error.hint}`;
  }
  throw new Error("nothing was refused");
}

// what is written, what is said
const WRONG_FILES: readonly (readonly [string, string])[] = [
  [
    "[serve]\nport = 99999",
    "qntx.toml:2: serve.port is 99999, but must be a whole number from 0 to 65535. Change it, or delete the line to get 8877.",
  ],
  [
    '[serve]\nport = "9000"',
    'qntx.toml:2: serve.port is "9000", but must be a whole number from 0 to 65535. Write it without quotes.',
  ],
  [
    "[serve]\nport = 12345678901234567890",
    "qntx.toml:2: serve.port is 12345678901234567890, but must be a whole number from 0 to 65535. Change it, or delete the line to get 8877.",
  ],
  [
    '[serve]\nhost = "0.0.0.0"',
    'qntx.toml:2: serve.host is "0.0.0.0", but must be a loopback address ("127.0.0.1", "::1" or "localhost"): on any other, everybody on the network could run jobs. Change it, or delete the line to get "127.0.0.1".',
  ],
  [
    "[serve]\ngrace = 20",
    'qntx.toml:2: serve.grace is 20, but must be a duration from "0s" to "1h". Change it, or delete the line to get "20s".',
  ],
  [
    '[pulse]\nnap = "2s"',
    'qntx.toml:2: pulse.nap is "2s", but must be a duration from "10ms" to "1s". Change it, or delete the line to get "1s".',
  ],
  [
    '[log]\nlevel = "loud"',
    'qntx.toml:2: log.level is "loud", but must be one of debug, info, warn, error. Change it, or delete the line to get "info".',
  ],
  [
    '[plugin]\nbundled = "false"',
    'qntx.toml:2: plugin.bundled is "false", but must be true or false. Write it without quotes.',
  ],
  [
    '[plugin]\nenabled = ["a", "a"]',
    'qntx.toml:2: plugin.enabled has "a" twice, but must be a list of different plugin names (small letters, digits, dashes). Change it, or delete the line to get [].',
  ],
  [
    '[plugin]\nenabled = ["log"]',
    'qntx.toml:2: plugin.enabled has "log", but [log] is a section of qntx. The plugin needs another name.',
  ],
  ["[serve]\nprot = 1", "qntx.toml:2: prot is not a key of [serve]. Did you mean port?"],
  [
    "[serve]\nbanana = 1",
    "qntx.toml:2: banana is not a key of [serve]. The keys of [serve] are port, host, grace.",
  ],
  ["serve.prot = 1", "qntx.toml:1: prot is not a key of [serve]. Did you mean port?"],
  [
    "[log]\ntoString = 1",
    "qntx.toml:2: toString is not a key of [log]. The keys of [log] are level, format.",
  ],
  [
    "[log]\n__proto__ = 1",
    "qntx.toml:2: __proto__ is not a key of [log]. The keys of [log] are level, format.",
  ],
  [
    '[[schedul]]\nid = "a"',
    "qntx.toml:1: [[schedul]] is nothing that qntx knows. Did you mean [[schedule]]?",
  ],
  [
    "[[serves]]\nport = 1",
    "qntx.toml:1: [[serves]] is nothing that qntx knows. One bracket is enough: [serves].",
  ],
  ["port = 1", "qntx.toml:1: port stands outside of any section. Did you mean port under [serve]?"],
  [
    "serve = 1",
    "qntx.toml:1: serve is 1, but must be a section. Write [serve] on a line of its own, and its keys below.",
  ],
  [
    'home = "/x"',
    "qntx.toml:1: home cannot be said in the file, which is looked for in that folder. Use --home or QNTX_HOME.",
  ],
  [
    "[plugins]",
    "qntx.toml:1: [plugins] is neither a section of qntx nor an enabled plugin. Did you mean [plugin]?",
  ],
  [
    "\n\n[github]\nx = 1",
    'qntx.toml:3: [github] is neither a section of qntx nor an enabled plugin. Add "github" to enabled under [plugin] if it is a plugin, or delete the section.',
  ],
  [
    '[python]\nargs = "-v"',
    'qntx.toml:2: python.args is "-v", but must be a list of texts. Write it like ["--verbose", "5"].',
  ],
  [
    '[python]\naddress = "nowhere"',
    'qntx.toml:2: python.address is "nowhere", but must be "host:port". Write it like "127.0.0.1:9000".',
  ],
  [
    '[python.secrets]\nKEY = "env:KEY"',
    "qntx.toml:1: [python.secrets] would be handed to the plugin as it is written. What it may ask for by name stands under [secrets.python].",
  ],
  [
    "[schedule]\nid = 'a'",
    "qntx.toml:1: schedule must be written as [[schedule]], once for each. Put the name in double brackets.",
  ],
  [
    "[[schedule]]\nid = 'a'\nhandler = 'h'",
    'qntx.toml:2: schedule "a" has no every, cron or at; it needs exactly one. Write every = "5m", cron = "0 9 * * MON-FRI", or at = 2030-01-01T09:00:00Z.',
  ],
  [
    "[[schedule]]\nid = 'a'\nhandler = 'h'\nevery = '5m'\ncron = '* * * * *'",
    'qntx.toml:4: schedule "a" has every and cron; it needs exactly one. Write every = "5m", cron = "0 9 * * MON-FRI", or at = 2030-01-01T09:00:00Z.',
  ],
  ["[[schedule]]\nhandler = 'h'\nevery = '5m'", 'qntx.toml:1: this schedule has no id. Write id = "…".'],
  [
    "[[schedule]]\nid = 'a'\nhandler = 3\nevery = '5m'",
    'qntx.toml:3: handler is 3, but must be a text. Write handler = "…".',
  ],
  [
    '[plugin]\nenabled = "tides"',
    'qntx.toml:2: plugin.enabled is "tides", but must be a list of different plugin names (small letters, digits, dashes). Write it like ["tides"].',
  ],
  [
    '[fetch]\nallowed_private_addresses = "10.0.0.0/8"',
    'qntx.toml:2: fetch.allowed_private_addresses is "10.0.0.0/8", but must be a list of addresses like "192.168.1.10", "127.0.0.1:8080" or "10.0.0.0/8". Write it like ["10.0.0.0/8"].',
  ],
  [
    '[fetch]\nallowed_private_addresses = ["10.0.0.0/8", "localhost", "::1"]',
    'qntx.toml:2: fetch.allowed_private_addresses has "localhost", but must be a list of addresses like "192.168.1.10", "127.0.0.1:8080" or "10.0.0.0/8". Change it, or delete the line to get [].',
  ],
  [
    '[webhook]\nurl = "example.org/hook"',
    'qntx.toml:2: webhook.url is something else, but must be an address like "https://example.org/hook", or "env:NAME" or "file:PATH" where it is kept. Change it, or delete the line to get "".',
  ],
  [
    '[webhook]\nurl = "https://ada:pw@example.org/"',
    'qntx.toml:2: webhook.url is something else, but must be an address like "https://example.org/hook", or "env:NAME" or "file:PATH" where it is kept. Change it, or delete the line to get "".',
  ],
  [
    '[webhook]\nsecret = "hunter2"',
    'qntx.toml:2: webhook.secret is something else, but must be "env:NAME" or "file:PATH": the secret itself is kept there. Change it, or delete the line to get "".',
  ],
  [
    "[[schedule]]\nid = 'a'\nhandler = 'h'\nevery = 'soon'",
    'qntx.toml:4: every is "soon", but must be a duration. Write it like "30s", "5m" or "1h30m".',
  ],
  [
    "[[schedule]]\nid = 'a'\nhandler = 'h'\ncron = []",
    'qntx.toml:4: cron is [], but must be an expression or a list of them. Write it like "0 9 * * MON-FRI" or ["0 9 * * *", "0 17 * * *"].',
  ],
  [
    "[[schedule]]\nid = 'a'\nhandler = 'h'\nat = 2030-01-01T09:00:00",
    "qntx.toml:4: at is 2030-01-01T09:00:00.000, but must be an instant. Write it with its offset, like 2030-01-31T09:00:00Z or 2030-01-31T09:00:00+01:00.",
  ],
  [
    "[[schedule]]\nid = 'a'\nhandler = 'h'\nevery = '5m'\npaused = 1",
    "qntx.toml:5: paused is 1, but must be true or false. Write paused = true.",
  ],
  [
    "[[schedule]]\nid = 'a'\nhandler = 'h'\nevery = '5m'\npayload = { n = 12345678901234567890 }",
    "qntx.toml:5: payload has 12345678901234567890, which JSON numbers cannot hold exactly. Write it as a text.",
  ],
  [
    "[[schedule]]\nid = 'a'\nhandler = 'h'\nevery = '5m'\ntimezon = 'UTC'",
    "qntx.toml:5: timezon is not a key of [[schedule]]. Did you mean timezone?",
  ],
  [
    "[[schedule]]\nid = 'a'\nhandler = 'h'\nevery = '5m'\n[[schedule]]\nid = 'a'\nhandler = 'h'\nevery = '5m'",
    'qntx.toml:5: "a" is already the id of the schedule at qntx.toml:1. Give one of them another id.',
  ],
  [
    "[serve]\nport 1",
    "qntx.toml:2:6: This is not TOML: illegal character in key. 1:  [serve]\n2:  port 1\n         ^",
  ],
  [
    "[log]\nlevel = 'x'\nlevle = 'y'",
    'The configuration has 2 mistakes.\nqntx.toml:2: log.level is "x", but must be one of debug, info, warn, error. Change it, or delete the line to get "info".\nqntx.toml:3: levle is not a key of [log]. Did you mean level?',
  ],
];

for (const [toml, sentence] of WRONG_FILES) {
  test(`a file is refused: ${toml.replaceAll("\n", " ⏎ ")}`, () => {
    expect(complaint({ toml })).toBe(sentence);
  });
}

// what is given, what is said
const WRONG_WORDS: readonly (readonly [string, Given, string])[] = [
  [
    "a variable",
    { vars: { QNTX_SERVE_PORT: "abc" } },
    'QNTX_SERVE_PORT: serve.port is "abc", but must be a whole number from 0 to 65535. Change QNTX_SERVE_PORT, or unset it.',
  ],
  [
    "a flag",
    { flags: { "serve.port": "1e3" } },
    '--port: serve.port is "1e3", but must be a whole number from 0 to 65535. Give --port another value.',
  ],
  [
    "a variable that is nearly one of ours",
    { vars: { QNTX_SERVE_PROT: "1" } },
    "QNTX_SERVE_PROT: There is no variable QNTX_SERVE_PROT. Did you mean QNTX_SERVE_PORT?",
  ],
  [
    "a wrong value in the file that a flag overrides",
    { toml: "[serve]\nport = true", flags: { "serve.port": "1" } },
    "qntx.toml:2: serve.port is true, but must be a whole number from 0 to 65535. Change it, or delete the line to get 8877.",
  ],
  [
    "a named file that is not there",
    { flags: { config: "/nowhere/q.toml" } },
    "--config: There is no file /nowhere/q.toml. Create it, or name another one.",
  ],
  [
    "a named file that is a folder",
    { vars: { QNTX_CONFIG: "/" } },
    "QNTX_CONFIG: / cannot be read: EISDIR: illegal operation on a directory, read. Name a file that this user may read.",
  ],
];

for (const [what, given, sentence] of WRONG_WORDS) {
  test(`${what} is refused`, () => {
    expect(complaint(given)).toBe(sentence);
  });
}

test("somebody else's variables are left alone", () => {
  const vars = { QNTX_PLUGIN_PORT: "38700", QNTX_PLUGIN: "hello", QNTX_TOKEN: "x", QNTX: "1" };
  expect(load({ vars }).serve.port).toBe(8877);
});

test("without a file every key has its default", () => {
  const { values, file, searched } = load({ cwd: "/nowhere/here", userHome: "/nowhere/person" });
  expect(file).toBeNull();
  expect(searched).toEqual(["/nowhere/person/.qntx/qntx.toml", "/nowhere/here/qntx.toml"]);
  expect(values).toEqual({
    home: "/nowhere/person/.qntx",
    "serve.port": 8877,
    "serve.host": "127.0.0.1",
    "serve.grace": 20_000,
    "log.level": "info",
    "log.format": "text",
    "pulse.workers": 1_000,
    "pulse.nap": 1_000,
    "retention.completed": 604_800_000,
    "retention.completed_jobs": 1_000_000,
    "retention.failed": 7_776_000_000,
    "retention.failed_jobs": 10_000_000,
    "retention.ledger": 7_776_000_000,
    "retention.audit": 31_536_000_000,
    "retention.events": 7_776_000_000,
    "locks.provider": "store",
    "plugin.enabled": [],
    "plugin.paths": ["/nowhere/person/.qntx/plugins"],
    "plugin.startup": 30_000,
    "plugin.describe": 10_000,
    "plugin.run": 300_000,
    "plugin.cleanup": 5_000,
    "plugin.bundled": true,
    "people.schedules": 0,
    "people.schedule_writes_per_minute": 0,
    "fetch.allowed_private_addresses": [],
    "webhook.url": "",
    "webhook.secret": "",
  });
});

test("people have no limits, unless it says so: one, or both", () => {
  expect(load({}).people).toEqual({});
  const one = load({ vars: { QNTX_PEOPLE_SCHEDULES: "50" } });
  expect(one.people).toEqual({ quota: { schedules: 50, scheduleWritesPerMinute: UNLIMITED } });
  const other = load({ vars: { QNTX_PEOPLE_SCHEDULE_WRITES_PER_MINUTE: "7" } });
  expect(other.people).toEqual({ quota: { schedules: UNLIMITED, scheduleWritesPerMinute: 7 } });
});

test.each([
  // locks.provider     enabled      who keeps the locks
  ["store", [], "store"],
  ["none", [], "none"],
  ["redis-lock", [], { plugin: "redis-lock" }],
  ["mine", ["mine"], { plugin: "mine" }],
] as const)("locks.provider %s", (provider, enabled, keeper) => {
  const toml = `[locks]\nprovider = "${provider}"\n[plugin]\nenabled = ${JSON.stringify(enabled)}`;
  expect(load({ toml }).locks).toEqual(keeper);
});

test("what may be fetched is a list of addresses and ranges", () => {
  const toml = '[fetch]\nallowed_private_addresses = ["10.0.0.0/8", "127.0.0.1:8080"]';
  expect(load({ toml }).fetch.allowed.map(({ bits, port }) => [bits, port])).toEqual([
    [104, null],
    [128, 8080],
  ]);
  const vars = { QNTX_FETCH_ALLOWED_PRIVATE_ADDRESSES: "::1, 10.1.2.3" };
  expect(load({ vars }).fetch.allowed.length).toBe(2);
});

test("a lock provider that nobody starts is refused", () => {
  expect(() => load({ toml: '[locks]\nprovider = "zookeeper"' })).toThrow(
    'qntx.toml:2: locks.provider is "zookeeper", but no plugin of that name is enabled.',
  );
  expect(() => load({ toml: "[locks]\nprovider = 1" })).toThrow(
    'locks.provider is 1, but must be the name of a plugin, "store" or "none".',
  );
});

test("a flag wins over the environment, that over the file, that over the default; each says so", () => {
  const config = load({
    toml: "[serve]\nport = 1\nhost = '::1'\n[log]\nlevel = 'warn'",
    vars: { QNTX_SERVE_PORT: "2", QNTX_LOG_LEVEL: "error", QNTX_LOG_FORMAT: "" },
    flags: { "serve.port": "3" },
  });
  expect(config.serve).toMatchObject({ port: 3, host: "::1" });
  expect(config.log).toEqual({ level: "error", format: "text" });
  expect(config.origin("serve.port")).toEqual({ kind: "flag", where: "--port" });
  expect(config.origin("log.level")).toEqual({ kind: "environment", where: "QNTX_LOG_LEVEL" });
  expect(config.origin("serve.host")).toEqual({ kind: "file", where: "qntx.toml:3" });
  expect(config.origin("log.format")).toEqual({ kind: "default", where: "default" });
});

test("the file in the data folder is read, and the one in the current folder passed over", () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "qntx-config-")));
  try {
    writeFileSync(join(folder, "qntx.toml"), "[serve]\nport = 5");
    const config = load({ toml: "[serve]\nport = 6", flags: { home: folder } });
    expect(config.serve.port).toBe(5);
    expect(config.file).toBe(join(folder, "qntx.toml"));
    expect(config.passedOver).toHaveLength(1);
    expect(config.origin("serve.port").where).toBe(`${join(folder, "qntx.toml")}:2`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("paths are meant from where they are written", () => {
  const inFile = load({ toml: '[plugin]\npaths = ["p", "~/q", "/r"]' });
  const folder = inFile.file?.replace("/qntx.toml", "") ?? "";
  expect(inFile.plugin.paths).toEqual([join(folder, "p"), join(folder, "person/q"), "/r"]);
  const inVariable = load({ cwd: "/nowhere", vars: { QNTX_PLUGIN_PATHS: "a:/b", QNTX_HOME: "h" } });
  expect(inVariable.plugin.paths).toEqual(["/nowhere/a", "/b"]);
  expect(inVariable.home).toBe("/nowhere/h");
});

test("a configuration cannot be changed, not even deep inside", () => {
  const { values, plugin, schedules } = load({
    toml: "[[schedule]]\nid = 'a'\nhandler = 'h'\nevery = '5m'\npayload = { list = [1] }",
  });
  for (const part of [values, plugin, plugin.enabled, schedules, schedules[0], schedules[0]?.payload]) {
    expect(Object.isFrozen(part)).toBe(true);
  }
});

test("a plugin gets its free keys as texts", () => {
  const config = load({
    toml: `
      [plugin]
      enabled = ["hello"]
      [hello]
      args = ["--verbose", "5"]
      _note = "for people"
      empty = ""
      text = "a b"
      int = 3
      huge = 12345678901234567890
      float = 1.5
      yes = true
      day = 2030-01-31
      list = [1, "two", { three = 12345678901234567890 }]
      [hello.table]
      a = { b = 1 }
    `,
  });
  expect(config.pluginArgs("hello")).toEqual(["--verbose", "5"]);
  expect(config.pluginAddress("hello")).toBeNull();
  expect(config.pluginConfig("hello")).toEqual({
    text: "a b",
    int: "3",
    huge: "12345678901234567890",
    float: "1.5",
    yes: "true",
    day: "2030-01-31",
    list: '[1,"two",{"three":12345678901234567890}]',
    table: '{"a":{"b":1}}',
  });
});

test("a plugin without a section gets nothing", () => {
  const config = load({});
  expect(config.pluginConfig("python")).toEqual({});
  expect(config.pluginArgs("toString")).toEqual([]);
});

test("a section may stay when the environment enables other plugins", () => {
  const config = load({
    toml: '[plugin]\nenabled = ["hello"]\n[hello]\naddress = "[::1]:9000"',
    vars: { QNTX_PLUGIN_ENABLED: "other, more" },
  });
  expect(config.plugin.enabled).toEqual(["other", "more"]);
  expect(config.pluginAddress("hello")).toBe("[::1]:9000");
});

test("secrets are fetched when a plugin is handed its values, and not before", () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "qntx-config-")));
  try {
    const toml = '[python]\na = "env:A"\nb = "file:secret"\nc = "file:///not/one"\nd = "env:not one"';
    writeFileSync(join(folder, "qntx.toml"), toml);
    const vars: Record<string, string> = {};
    const config = loadConfig({ vars, cwd: folder, userHome: folder });
    expect(config.sections[0]?.values["a"]).toBe("env:A");
    expect(complaint(() => config.pluginConfig("python"))).toBe(
      "qntx.toml:2: python.a refers to the variable A, which is not set. Set A where the host is started.",
    );
    vars["A"] = "from A";
    expect(complaint(() => config.pluginConfig("python"))).toStartWith(
      `qntx.toml:3: python.b refers to ${join(folder, "secret")}, which cannot be read`,
    );
    writeFileSync(join(folder, "secret"), "x".repeat(65_537));
    expect(complaint(() => config.pluginConfig("python"))).toEndWith(
      "which is no file of at most 65536 bytes. Give the plugin the path itself.",
    );
    writeFileSync(join(folder, "secret"), "from a file\n");
    expect(config.pluginConfig("python")).toEqual({
      a: "from A",
      b: "from a file",
      c: "file:///not/one",
      d: "env:not one",
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("schedules keep what they say", () => {
  const { schedules } = load({
    toml: `
      [[schedule]]
      id = "nightly"
      handler = "python.clean"
      cron = "0 3 * * *"
      timezone = "Europe/Amsterdam"
      description = "Cleans up"
      paused = true
      payload = { since = 2030-01-01T00:00:00Z, list = [1, 2.5, true] }
      overlap = "allow"
      startAt = 2030-01-01T00:00:00Z
      blackouts = ["holidays", { from = 2030-01-01T00:00:00Z, to = 2030-01-02T00:00:00Z }]

      [[schedule]]
      id = "often"
      handler = "h"
      every = "1h30m"
      locking = "node-local"
      mustStartWithin = "30s"

      [[schedule]]
      id = "twice"
      handler = "h"
      at = [2030-01-01T09:00:00+01:00, "2030-01-02T09:00:00Z"]
    `,
  });
  expect(schedules).toEqual([
    {
      id: "nightly",
      handler: "python.clean",
      endpoint: "",
      spec: { kind: "cron", cron: ["0 3 * * *"] },
      timezone: "Europe/Amsterdam",
      payload: { since: "2030-01-01T00:00:00.000Z", list: [1, 2.5, true] },
      description: "Cleans up",
      paused: true,
      locking: "",
      mustStartWithinMs: 0,
      mustSucceedWithinMs: 0,
      more: {
        overlap: "allow",
        startAt: "2030-01-01T00:00:00.000Z",
        blackouts: ["holidays", { from: "2030-01-01T00:00:00.000Z", to: "2030-01-02T00:00:00.000Z" }],
      },
      where: "qntx.toml:2",
      places: expect.objectContaining({ overlap: "qntx.toml:10", blackouts: "qntx.toml:12" }),
    },
    {
      id: "often",
      handler: "h",
      endpoint: "",
      spec: { kind: "every", everyMs: 5_400_000 },
      timezone: "",
      payload: undefined,
      description: "",
      paused: false,
      locking: "node-local",
      mustStartWithinMs: 30_000,
      mustSucceedWithinMs: 0,
      more: {},
      where: "qntx.toml:14",
      places: expect.any(Object),
    },
    {
      id: "twice",
      handler: "h",
      endpoint: "",
      spec: { kind: "at", instants: [Date.UTC(2030, 0, 1, 8), Date.UTC(2030, 0, 2, 9)] },
      timezone: "",
      payload: undefined,
      description: "",
      paused: false,
      locking: "",
      mustStartWithinMs: 0,
      mustSucceedWithinMs: 0,
      more: {},
      where: "qntx.toml:21",
      places: expect.any(Object),
    },
  ]);
});

// host, accepted
const HOSTS: readonly (readonly [string, boolean])[] = [
  ["127.0.0.1", true],
  ["127.255.255.254", true],
  ["::1", true],
  ["localhost", true],
  ["127.0.0.256", false],
  ["127.1", false],
  ["127.0.0.1.evil.example", false],
  ["::", false],
  ["", false],
  ["192.168.1.5", false],
];

for (const [host, accepted] of HOSTS) {
  test(`the address ${JSON.stringify(host)} is ${accepted ? "accepted" : "refused"}`, () => {
    const attempt = () => load({ flags: { "serve.host": host } });
    if (accepted) expect(attempt().serve.host).toBe(host);
    else expect(attempt).toThrow(Fault);
  });
}

test.each([
  // what is written                                              what is used
  ["", {}, null],
  ['[webhook]\nurl = "https://example.org/a"', {}, { url: "https://example.org/a", secret: null }],
  [
    '[webhook]\nurl = "env:HOOK"\nsecret = "env:KEY"',
    { HOOK: "http://127.0.0.1:1/b", KEY: "s3cret" },
    { url: "http://127.0.0.1:1/b", secret: "s3cret" },
  ],
  ['[webhook]\nsecret = "env:KEY"', {}, null],
])("a webhook is used as %j says", (toml, vars, expected) => {
  expect(load({ toml, vars }).webhook()).toEqual(expected);
});

test.each([
  [
    '[webhook]\nurl = "env:HOOK"',
    {},
    "qntx.toml:2: webhook.url refers to the variable HOOK, which is not set. Set HOOK where the host is started.",
  ],
  [
    '[webhook]\nurl = "env:HOOK"',
    { HOOK: "s3cret" },
    "qntx.toml:2: What webhook.url refers to is no web address. Write it like https://example.org/hook.",
  ],
])("a webhook that cannot be used as %j says is refused when it is wanted", (toml, vars, sentence) => {
  expect(complaint(() => load({ toml, vars }).webhook())).toBe(sentence);
});
