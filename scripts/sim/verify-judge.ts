/**
 * Verify judge: whenever somebody verifies, and at the end of a world, `schedule verify`
 * must find nothing, whatever happened in it: nobody had a hand in there. The oracles follow every change and would see the same faults when
 * they are made; this holds that verify itself raises no false alarm.
 */
import { drainMicrotasks } from "bun:jsc";
import { verifyLedger } from "../../internal/operations/verify-ledger.ts";
import type { Store } from "../../internal/store/store.ts";
import type { World } from "./world.ts";

/** Verifies the ledgers of all schedules. In the midst of trouble, what waits may wait for longer than it should. */
export function verifyWorld(world: World, store: Store, { calm }: { calm: boolean }): void {
  let verified = false;
  void verifyAll(world, store, calm).then(() => (verified = true));
  drainMicrotasks(); // Reading waits for nothing.
  if (!verified) world.violate("verify", "it did not come to an end");
}

async function verifyAll(world: World, store: Store, calm: boolean): Promise<void> {
  const { items } = await store.schedules.list({ deleted: true }, { limit: 1_000 });
  for (const schedule of items) {
    const breathe = async () => {};
    const { dup, gap, overdue, broken, findings } = await verifyLedger(store, schedule, {
      now: world.wall(),
      breathe,
    });
    const late = calm ? overdue.length : 0;
    if (dup + gap + late === 0 && broken === null) continue;
    const about = JSON.stringify({ overdue, broken, findings });
    world.violate("verify", `${schedule.id} has dup=${dup} gap=${gap}: ${about}`);
  }
}
