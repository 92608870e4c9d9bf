/** How a host ends, and what does not end it: signals, a terminal that is gone, a log that nobody reads. */
import { expect, test } from "bun:test";
import { Place } from "./host.ts";
import { WITNESS_VARS, Witnesses } from "./witnesses.ts";

const STORY_LIMIT_MS = 120_000;

test(
  "while running jobs end, the host is alive and not ready",
  async () => {
    await using witnesses = new Witnesses({ python: false });
    const { place } = witnesses;
    await place.start({ vars: WITNESS_VARS });
    await place.call("job.enqueue", { id: "held", handler: "witness.hold" });
    await witnesses.started("held");
    expect((await place.http("/readyz")).status).toBe(200);

    const ended = place.host.stop();
    await place.until("readyz to say 503", async () => (await place.http("/readyz")).status === 503);
    expect((await place.http("/healthz")).status).toBe(200);
    witnesses.release("held");
    expect(await ended).toBe(0);
  },
  STORY_LIMIT_MS,
);

test.each([
  ["behind its keeper", []],
  ["alone", ["--no-keeper"]],
])(
  "a terminal that is gone ends the host in order: %s",
  async (_, words) => {
    await using place = new Place("[plugin]\nbundled = false\n");
    const host = await place.start({ words });
    host.process.kill("SIGHUP");
    expect(await host.process.exited).toBe(0);
    expect(host.text).toContain("qntx is ending");
  },
  STORY_LIMIT_MS,
);

test.each([
  ["behind its keeper", []],
  ["alone", ["--no-keeper"]],
])(
  "under nohup the host stays when the terminal is gone: %s",
  async (_, words) => {
    await using place = new Place("[plugin]\nbundled = false\n");
    const host = await place.start({ words, under: ["nohup"] });
    host.process.kill("SIGHUP");
    host.process.kill("SIGHUP");
    expect((await place.http("/healthz")).status).toBe(200);
    expect(await host.stop()).toBe(0);
    expect(host.text).toContain("qntx is ending");
  },
  STORY_LIMIT_MS,
);

test(
  "a host whose log nobody reads any more goes on, and ends when it is asked to",
  async () => {
    await using place = new Place("[plugin]\nbundled = false\n");
    place.write("one-line.sh", 'exec "$@" 2> >(head -n 1 >&2)\n');
    const host = await place.start({ under: ["bash", `${place.home}/one-line.sh`] });
    for (let said = 0; said < 5; said++) {
      await place.call("schedule.create", { name: `s${said}`, handler: "x.y", every: "1h" });
      await place.call("host.doctor");
    }
    expect((await place.http("/healthz")).status).toBe(200);
    expect(await host.stop()).toBe(0);
  },
  STORY_LIMIT_MS,
);
