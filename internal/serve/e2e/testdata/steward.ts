/** A ScheduledPlugin for tests, the same as steward.py: it declares what plan.json in its folder says, else three. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { defineScheduledPlugin, type Job, type PluginSchedule, type ScheduledPlugin } from "qntx";

const THREE: PluginSchedule[] = [
  { id: "often", when: "1s", payload: { n: 1 }, description: "As often as possible" },
  { id: "minutely", when: "* * * * *", timezone: "Europe/Berlin", missed: "all", priority: -1 },
  { id: "hourly", when: "@hourly" },
];

class Steward implements ScheduledPlugin {
  readonly name = "steward";
  readonly version = "1.0.0";
  readonly priority = 5;

  async schedules(): Promise<PluginSchedule[]> {
    return existsSync("plan.json") ? JSON.parse(readFileSync("plan.json", "utf8")) : THREE;
  }

  async run({ scheduleId, declaredId, occurrence, runCount, catchup, tenant, payload, qntx }: Job) {
    if (payload?.make)
      await qntx.scheduler.create({ name: payload.make, handler: "steward.run", every: "1h" });
    return {
      scheduleId,
      declaredId,
      occurrence,
      runCount,
      catchup,
      tenant: tenant ?? null,
      payload: payload ?? null,
    };
  }

  cleanup(): void {
    appendFileSync("cleanups.txt", "cleaned up\n");
  }
}

export default defineScheduledPlugin(new Steward());
