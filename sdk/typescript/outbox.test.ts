/** What waits when the host does not read, and what is dropped. */
import { expect, test } from "bun:test";
import type { JobFinish, JobLog, PluginMessage } from "../../proto/gen/qntx/v1/plugin.ts";
import { LINE_BYTES, LOG_CHARS_MAX, LOGS_WAITING_BYTES_MAX, MESSAGE_BYTES_MAX, Outbox } from "./outbox.ts";

const log = (message: string, jobId = "j"): JobLog => ({
  jobId,
  fence: 1,
  level: "info",
  message,
  at: 0,
  stage: "",
  fields: "",
});
const finish = (bytes: number, jobId = "j"): JobFinish => ({
  jobId,
  fence: 1,
  success: true,
  result: Buffer.alloc(bytes),
  error: undefined,
  cost: 0,
});

test("while the host does not read nothing follows; then everything does, lines first", async () => {
  const sent: PluginMessage[] = [];
  const outbox = new Outbox((message) => sent.push(message) > 1, setImmediate); // The first send fills the pipe.
  outbox.log(log("one"));
  await new Promise(setImmediate);
  outbox.finish(finish(3));
  outbox.log(log("two"));
  await new Promise(setImmediate);
  expect(sent.map(({ logs, finishes }) => [logs.length, finishes.length])).toEqual([[1, 0]]);
  outbox.resume();
  expect(sent.map(({ logs, finishes }) => [logs.length, finishes.length])).toEqual([
    [1, 0],
    [1, 1],
  ]);
});

test("more than fits into one message is sent in several, and nothing is lost", async () => {
  const sent: PluginMessage[] = [];
  const outbox = new Outbox((message) => sent.push(message) > 0, setImmediate);
  for (let at = 0; at < 5; at++) outbox.finish(finish(MESSAGE_BYTES_MAX / 2));
  for (let at = 0; at < 4_500; at++) outbox.log(log("x"));
  await outbox.sent();
  expect(sent.flatMap(({ logs }) => logs)).toHaveLength(4_500);
  expect(sent.map(({ finishes }) => finishes.length)).toEqual([0, 0, 2, 2, 1]);
});

test("lines beyond the limit are counted, and a line says how many of which job", async () => {
  const sent: PluginMessage[] = [];
  const outbox = new Outbox((message) => sent.push(message) > 0, setImmediate);
  const fit = Math.ceil(LOGS_WAITING_BYTES_MAX / (10_000 + LINE_BYTES));
  for (let at = 0; at < fit + 3; at++) outbox.log(log("x".repeat(10_000), "loud"));
  outbox.log(log("x", "quiet"));
  outbox.finish(finish(0, "loud"));
  await outbox.sent();
  const lines = sent.flatMap(({ logs }) => logs);
  expect(lines).toHaveLength(fit + 2);
  expect(lines.slice(-2).map(({ jobId, level, message }) => [jobId, level, message])).toEqual([
    ["loud", "warn", "3 lines were dropped here: the job said more than could be sent."],
    ["quiet", "warn", "1 lines were dropped here: the job said more than could be sent."],
  ]);
  expect(sent.at(-1)?.finishes).toHaveLength(1); // After its lines, not before.
});

test("a job that prints a hundred thousand lines in one go loses none", async () => {
  let lines = 0;
  const outbox = new Outbox(({ logs }) => (lines += logs.length) > 0, setImmediate);
  for (let n = 1; n <= 100_000; n++) outbox.log(log(String(n)));
  await outbox.sent();
  expect(lines).toBe(100_000);
});

test("a line that is too long is cut and says so", async () => {
  const sent: PluginMessage[] = [];
  const outbox = new Outbox((message) => sent.push(message) > 0, setImmediate);
  outbox.log(log("x".repeat(LOG_CHARS_MAX + 1)));
  await outbox.sent();
  expect(sent[0]?.logs[0]?.message).toEndWith("x… (cut: 16385 characters)");
});
