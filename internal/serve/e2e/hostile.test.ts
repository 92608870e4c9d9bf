/** A guest that means harm is contained: each thing that it tries is refused or held to its limit, and is written down. */
import { expect, test } from "bun:test";
import { attack, whyNotHere } from "./hostile.ts";

const STORY_LIMIT_MS = 120_000;
const LATE_MAX_MS = 2_000; // Other tests have the machine, too; `npm run prove` asks for 250.
const PRINT_BYTES = 100_000_000; // Ten times what may come at once.
const LOGGED_MAX = 45_000_000; // Three files of the plugin's, and one job's lines.
const GROWTH_MB_MAX = 128; // An eighth of one payload: garbage of a moment, and nothing that grows.

test.skipIf(whyNotHere() !== "")(
  "a hostile guest reads, ends and holds up nobody",
  async () => {
    const { shown, spied, ...tried } = await attack({
      forkSeconds: 1,
      printBytes: PRINT_BYTES,
      payloadBytes: 104_857_600,
      payloadWays: ["frame", "result", "answer"],
      schedules: 60,
    });
    expect(shown.isolation.user).toBe(`${tried.uid}, its own`);
    expect(shown.conflicts).toEqual(["victim.beat"]);
    expect(spied).toMatchObject({ uid: tried.uid, read: [], list: "EACCES", door: "EACCES", secrets: [] });
    expect(spied).toMatchObject({ kill: "EPERM", root: "EPERM", program: "EACCES", cgroup: "EACCES" });
    expect(new Set(Object.values(spied["files"] ?? {}))).toEqual(new Set(["EACCES"]));

    const { listed, delete: deleted, pause, enqueue } = tried.meddled;
    expect(listed).toBe(0);
    for (const answer of [...deleted, ...pause])
      expect(answer).toStartWith("HostError: There is no schedule");
    expect(enqueue).toContain("lacks cap:queue.enqueue-any");
    expect(tried.flooded.made).toBeLessThanOrEqual(10); // As many as a guest may write in a minute.
    expect(tried.flooded.why).toContain("schedule");
    expect(tried.forked.why).toBe("EAGAIN");
    expect(tried.payloads).toMatchObject({
      frame: expect.stringContaining("at most 4194304 are taken"),
      result: expect.stringContaining("at most 16777216 are taken"),
      answer: expect.stringContaining("at most 16777216 are taken"),
    });
    expect(tried.logged).toBeLessThan(LOGGED_MAX);
    expect(tried.gaps).toBeGreaterThan(0);
    expect(Math.max(...Object.values(tried.rssMb)) - tried.rssMb.before).toBeLessThan(GROWTH_MB_MAX);

    const audit = tried.audit.join("\n");
    expect(audit).toContain("plugin.contain: It asked for more than its 96 processes and threads");
    expect(audit).toContain("plugin.contain: It took more than its 256 MiB of memory");
    expect(audit).toContain("plugin.contain: It announced what others keep. Handler victim.beat stays");
    expect(audit).toContain("plugin.contain: It printed more than 1 MiB a second");
    expect(audit).toContain('schedule.pause: There is no schedule "kept"');
    expect(audit).toContain("schedule.create: ");
    expect(audit).toContain('schedule.delete: There is no schedule "kept"');
    expect(audit).toContain("job.enqueueMany: Plugin hostile lacks cap:queue.enqueue-any");
    expect(tried.victimRestarts).toBe(0);
    expect(Math.max(...Object.values(tried.late).flat())).toBeLessThan(LATE_MAX_MS);
  },
  STORY_LIMIT_MS,
);
