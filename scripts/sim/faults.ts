/** Faults from outside: hosts killed, stopped and frozen, clocks set, plugins crashing and forgetting. How often, the swarm says. */
import type { SimHost } from "./host.ts";
import type { SimProcess } from "./plugin-process.ts";
import type { Scene } from "./scene.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STEPS = [20_000, 20_000, 300_000, HOUR / 2, HOUR, 2 * HOUR] as const;

/** Lets things go wrong until times are calm. `host` is the present one, also while it stops. */
export function startFaults(scene: Scene, host: () => SimHost | null): void {
  const { faults } = scene.dice;
  const { killMs, stopMs, freezeMs, clockStepMs, crashMs, cutMs, disownMs } = scene.swarm;
  const process = () => faults.any(host()?.plugins.processes ?? []);
  const hurryMs = () => (faults.chance(0.3) ? faults.between(1, 5_000) : null);
  scene.every(killMs, faults, "kill", () => host()?.kill("from outside"));
  scene.every(stopMs, faults, "stop", () => scene.host?.stop(hurryMs()));
  scene.every(freezeMs, faults, "freeze", () => host()?.freeze(faults.between(15_000, 45_000)));
  scene.every(clockStepMs, faults, "clock", () => setClock(scene));
  scene.every(crashMs, faults, "crash", () => process()?.die("crashed"));
  scene.every(cutMs, faults, "cut", () => process()?.cut());
  scene.every(disownMs, faults, "disown", () => disown(scene, process()));
}

/** Somebody, or a time server, sets the wall clock: by minutes or hours for good, or by days, mostly until somebody sees it. */
function setClock(scene: Scene): void {
  const { world, dice } = scene;
  const { faults } = dice;
  const far = faults.chance(0.15);
  const distance = far ? faults.pick([3 * DAY, DAY + 2 * HOUR]) : faults.pick(STEPS);
  const step = faults.chance(0.5) ? distance : -distance;
  scene.setClock(step);
  const back = () => {
    if (!scene.calm) scene.setClock(-step); // In calm times it is right already.
  };
  if (far && faults.chance(0.7)) world.later(faults.between(1_000, 60_000), "clock back", back);
}

/** A plugin forgets a handler; only a restart reminds it. */
function disown({ world, dice, host }: Scene, process: SimProcess | undefined): void {
  const forgotten = process && dice.faults.any(host?.plugins.handlersOf(process.plugin) ?? []);
  if (!forgotten) return;
  process.disown(forgotten.name);
  world.later(dice.faults.between(2_000, 20_000), "plugin restarts", () => process.die("crashed"));
}
