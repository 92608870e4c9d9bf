/**
 * The zone of the process plays no part: hosts in four zones, and the command lines
 * that talk to them, live through the same change of clocks and say the same.
 */
import { expect, test } from "bun:test";
import { FakedClock } from "./faked-clock.ts";
import { Place } from "./host.ts";

const ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];
/** When the clocks of London go forward; long before it everything is prepared. */
const CHANGE = Date.UTC(2030, 2, 31, 1);
const START = CHANGE - 30 * 60_000;
const STORY_LIMIT_MS = 120_000; // It takes some ten seconds where nothing else runs.

const SCHEDULES = [
  // 01:30 is skipped on that day, and runs at the first instant after the gap.
  ["gap", "--cron", "30 1 * * *", "--tz", "Europe/London"],
  ["minutes", "--cron", "* * * * *", "--overlap", "allow"],
  ["once", "--at", "2030-03-31T02:00:00+01:00", "--at", "2031-01-01T00:00:00Z"],
];

/** What people ask; the answers name no machine. */
const QUESTIONS = [
  ["schedule", "next", "--cron", "30 1 * * *", "--tz", "Europe/London", "--from", "2030-03-30T12:00:00Z"],
  ["schedule", "next", "--every", "1h", "--anchor", "2030-03-31T00:00:00Z", "--from", "2030-03-31T00:30:00Z"],
  ["schedule", "show", "gap", "--json"],
  ["schedule", "show", "once", "--json"],
  ["schedule", "ledger", "gap", "--to", "2030-03-31T01:00:30Z", "--json"],
  ["schedule", "ledger", "once", "--to", "2030-03-31T01:00:30Z", "--json"],
  ["schedule", "create", "local", "--handler", "shell.beat", "--at", "2031-01-01T00:00:00"],
  ["schedule", "explain", "gap", "--at", "2030-03-31 01:00"],
];

test(
  "hosts in four zones fire at the same instants, and say so in the same words",
  async () => {
    const told = await Promise.all(ZONES.map(story));
    expect(told[0]).toContain('"occurrence":"2030-03-31T01:00:00.000Z","outcome":"fired');
    for (const [i, zone] of ZONES.entries()) expect([zone, told[i]]).toEqual([zone, told[0] ?? ""]);
  },
  STORY_LIMIT_MS,
);

/** All that a host and its command line say in one zone, without what differs from host to host. */
async function story(zone: string): Promise<string> {
  await using place = new Place();
  const vars = { TZ: zone };
  place.write("beat.sh", 'echo "for $QNTX_OCCURRENCE"\n');
  await place.cli(["handler", "create", "--file", "beat.sh"], { vars });
  const clock = new FakedClock(place, START);
  await place.start({ vars: { ...clock.vars, ...vars } });
  await place.working();
  expect(place.host.text).toStartWith("2030-03-31T00:3");
  for (const words of SCHEDULES)
    await place.cli(["schedule", "create", ...words, "--handler", "shell.beat"], { vars });
  clock.set(CHANGE - 2_000);
  const said: string[] = [];
  for (const name of ["gap", "minutes", "once"]) said.push(await runOfChange(place, name));
  for (const words of QUESTIONS) {
    const { stdout, stderr, code } = await place.cli(words, { vars });
    said.push(`${words.join(" ")}\n${code}\n${stdout}${stderr}`);
  }
  return said
    .join("\n")
    .replace(/\b[A-Z]{2}_[0-9A-Z]{26}\b/g, "<id>")
    .replace(/"(lastRunAt|createdAt|updatedAt|decidedAt)":"[^"]+"/g, '"$1":"…"')
    .replaceAll("fired-late", "fired"); // The machine may be busy.
}

/** What the handler said in the run of the moment at which the clocks change. */
async function runOfChange(place: Place, name: string): Promise<string> {
  const { id } = await place.call<{ id: string }>("schedule.show", { id: name });
  const job = await place.until(`the run of ${name}`, async () => {
    const { jobs } = await place.call<{ jobs: { id: string; state: string; occurrence: string }[] }>(
      "job.list",
      { scheduleId: id },
    );
    const wanted = new Date(CHANGE).toISOString();
    return jobs.find(({ state, occurrence }) => state === "completed" && occurrence === wanted);
  });
  const { lines } = await place.call<{ lines: { message: string }[] }>("job.logs", { id: job.id });
  return lines.map(({ message }) => message).join("\n");
}
