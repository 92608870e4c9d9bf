/** Plugins in Python: one by a stranger, with stock grpcio and generated stubs, and one with our SDK. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Harness, writeProgram } from "./testdata/harness.ts";

setDefaultTimeout(60_000);

const PYTHON = "/usr/bin/python3";
const PROTO = join(import.meta.dir, "../../proto");
const hasPython = works([PYTHON, "-c", "import grpc, google.protobuf"]);
const hasStubs = hasPython && works(["protoc", "--version"]) && Bun.which("grpc_python_plugin") !== null;

function works(argv: string[]): boolean {
  try {
    return Bun.spawnSync(argv, { stdout: "ignore", stderr: "ignore" }).success;
  } catch {
    return false;
  }
}

/** What somebody writes who has only QNTX's proto file. */
const STRANGER = `#!${PYTHON} -u
import sys, threading, time
from concurrent import futures
sys.path.insert(0, "STUBS")
import grpc
from protocol import domain_pb2 as pb, domain_pb2_grpc as rpc

class Plugin(rpc.DomainPluginServiceServicer):
    def Metadata(self, request, context):
        return pb.MetadataResponse(name="stranger", version="0.3.10", description="written in Python")
    def Initialize(self, request, context):
        print("token", len(request.auth_token), "queue", request.queue_endpoint, "file", repr(request.file_service_endpoint), dict(request.config))
        return pb.InitializeResponse(handler_names=["python.script"], schedules=[pb.ScheduleInfo(handler_name="python.script", interval_seconds=300)])
    def Health(self, request, context):
        return pb.HealthResponse(healthy=True, message="ok")
    def Shutdown(self, request, context):
        print("shutdown asked")
        return pb.Empty()
    def ExecuteJob(self, request, context):
        if request.payload == b"sleep":
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait(30)
            print("sleeper ended", context.is_active())
            return pb.ExecuteJobResponse()
        if request.payload == b"raise":
            raise ValueError("no such column")
        return pb.ExecuteJobResponse(success=True, result=request.payload.upper(), progress_current=3, progress_total=3,
            cost_actual=0.25, plugin_version="0.3.10",
            log_entries=[pb.JobLogEntry(timestamp="2026-01-31T10:00:00Z", level="info", message="timeout %d" % request.timeout_secs)])

port = int(sys.argv[sys.argv.index("--port") + 1])
server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
rpc.add_DomainPluginServiceServicer_to_server(Plugin(), server)
port = server.add_insecure_port("127.0.0.1:%d" % port)
server.start()
print("QNTX_PLUGIN_PORT=%d" % port)
server.wait_for_termination()
`;

function writeStranger(folder: string): void {
  const stubs = join(folder, "stubs");
  mkdirSync(stubs);
  const made = Bun.spawnSync([
    "protoc",
    `-I${PROTO}`,
    `--python_out=${stubs}`,
    `--grpc_python_out=${stubs}`,
    `--plugin=protoc-gen-grpc_python=${Bun.which("grpc_python_plugin")}`,
    "protocol/domain.proto",
  ]);
  if (!made.success) throw new Error(made.stderr.toString());
  writeProgram(join(folder, "qntx-stranger-plugin"), STRANGER.replace("STUBS", stubs));
}

test.skipIf(!hasStubs)("a plugin written with stock grpcio runs unmodified, one call at a time", async () => {
  const declared: unknown[] = [];
  await using host = new Harness({
    enabled: ["stranger"],
    write: writeStranger,
    config: { model: "small" },
    async declare(_, { schedules }) {
      declared.push(...schedules);
    },
    limits: { healthEveryMs: 200, healthMs: 300 },
  });
  await host.plugins.settled;
  expect(host.plugins.status("stranger")).toMatchObject({
    state: "ready",
    version: "0.3.10",
    stream: false,
    handlers: ["python.script"],
  });
  expect(declared).toMatchObject([{ handler: "python.script", when: "300s", paused: true }]);
  const said = "token 10 queue 127.0.0.1:9 file '' {'model': 'small'}";
  await host.until(() => host.plugins.logsOf("stranger").includes(said), "what it was initialized with");

  const { outcome, lines, progress } = host.attempt("python.script", "abc");
  expect(await outcome).toEqual({ kind: "completed", result: Buffer.from("ABC"), cost: 0.25 });
  expect(lines).toEqual([
    { at: Date.UTC(2026, 0, 31, 10), level: "info", message: "timeout 5", stage: "", fields: "" },
  ]);
  expect(progress).toEqual([{ current: 3, total: 3, message: "" }]);
  expect(await host.attempt("python.script", "raise").outcome).toMatchObject({
    kind: "failed",
    message: "plugin execution failed: Exception calling application: no such column",
    permanent: false,
  });

  const sleeper = host.attempt("python.script", "sleep");
  const { pid } = await host.state("stranger", "unresponsive"); // Its only thread is busy; that is no death.
  sleeper.cancel("cancelled");
  expect(await sleeper.outcome).toMatchObject({ kind: "cancelled" });
  await host.until(
    () => host.plugins.logsOf("stranger").includes("sleeper ended False"),
    "the cancellation to arrive",
  );
  expect((await host.state("stranger", "ready")).pid).toBe(pid);
  await host.stop();
  expect(host.plugins.logsOf("stranger")).toContain("shutdown asked");
});

const SDK = `from qntx import Plugin
plugin = Plugin("snake", version="0.1.0")

@plugin.job("hiss")
async def hiss(job):
    job.log("hissing")
    return job.payload

if __name__ == "__main__":
    plugin.run()
`;

test.skipIf(!hasPython)("a Python file with our SDK speaks the stream", async () => {
  await using host = new Harness({
    enabled: ["snake"],
    python: PYTHON,
    write: (folder) => writeFileSync(join(folder, "snake.py"), SDK, { mode: 0o644 }),
  });
  await host.plugins.settled;
  expect(host.plugins.status("snake")).toMatchObject({
    state: "ready",
    kind: "python",
    stream: true,
    reason: "",
  });
  const { outcome, lines } = host.attempt("snake.hiss", '"s"');
  expect(await outcome).toMatchObject({ kind: "completed", result: Buffer.from('"s"') });
  expect(lines).toMatchObject([{ message: "hissing" }]);
});
