import { expect, test } from "bun:test";
import type { MeteredCall } from "../operations/operation.ts";
import { Metrics } from "./metrics.ts";

const CALL: MeteredCall = {
  operation: "schedule.create",
  principal: "plugin",
  tenant: "acme",
  ok: true,
  tookMs: 2,
};

test("calls of plugins are counted by operation and tenant, with the refused ones and their times", () => {
  const metrics = new Metrics(() => ({ http: 3, services: 0 }));
  metrics.count(CALL);
  metrics.count({ ...CALL, ok: false, tookMs: 300 });
  metrics.count({ ...CALL, operation: "plugin.endpoints", tenant: "" });
  metrics.count({ ...CALL, principal: "operator" }); // A person's is no call of the API.
  metrics.count({ ...CALL, operation: "job.enqueue" });
  const lines = metrics.text().split("\n");
  const said = (start: string) => lines.filter((line) => line.startsWith(`qntx_scheduler_api_${start}`));
  expect(said("calls_total")).toEqual([
    'qntx_scheduler_api_calls_total{operation="create",tenant="acme"} 2',
    'qntx_scheduler_api_calls_total{operation="getEndpoints",tenant=""} 1',
  ]);
  expect(said("errors_total")).toEqual([
    'qntx_scheduler_api_errors_total{operation="create",tenant="acme"} 1',
    'qntx_scheduler_api_errors_total{operation="getEndpoints",tenant=""} 0',
  ]);
  const buckets = said('duration_seconds_bucket{operation="create"').map((line) => line.split(" ").at(-1));
  expect(buckets.join(" ")).toBe("0 1 1 1 1 1 1 1 2 2 2 2 2 2");
  expect(said('duration_seconds_sum{operation="create"')).toEqual([
    'qntx_scheduler_api_duration_seconds_sum{operation="create",tenant="acme"} 0.302',
  ]);
  expect(lines.filter((line) => line.startsWith("# TYPE")).map((line) => line.split(" ").slice(2))).toEqual([
    ["qntx_scheduler_api_calls_total", "counter"],
    ["qntx_scheduler_api_errors_total", "counter"],
    ["qntx_scheduler_api_duration_seconds", "histogram"],
    ["qntx_wrong_tokens_total", "counter"],
  ]);
  expect(lines.slice(-3)).toEqual([
    'qntx_wrong_tokens_total{door="http"} 3',
    'qntx_wrong_tokens_total{door="services"} 0',
    "",
  ]);
});
