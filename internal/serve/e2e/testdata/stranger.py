#!/usr/bin/python3
"""A plugin of QNTX in Python with nothing of qntx in it, whose handlers end in every
way that a job can end: grpcio, and what protoc makes of the protocol.
"""

import argparse
import json
import logging
import os
import threading
from concurrent import futures

import grpc
from protocol import domain_pb2, domain_pb2_grpc

VERSION = "0.9.1"


class Stranger(domain_pb2_grpc.DomainPluginServiceServicer):
    def __init__(self, server):
        self.server = server
        self.handlers = {f"stranger.{run.__name__}": run for run in
                         (self.add, self.refuse, self.fail, self.hang, self.unsaid)}

    def Metadata(self, request, context):
        return domain_pb2.MetadataResponse(name="stranger", version=VERSION)

    def Initialize(self, request, context):
        return domain_pb2.InitializeResponse(handler_names=list(self.handlers))

    def Health(self, request, context):
        return domain_pb2.HealthResponse(healthy=True)

    def Shutdown(self, request, context):
        threading.Thread(target=self.server.stop, args=(0,)).start()
        return domain_pb2.Empty()

    def ExecuteJob(self, request, context):
        return self.handlers[request.handler_name](request, context)

    def add(self, request, context):
        numbers = json.loads(request.payload)
        lines = [domain_pb2.JobLogEntry(timestamp="2026-01-31T10:00:00Z", level="warn", message="adding",
                                        stage="read", metadata=json.dumps({"numbers": len(numbers)})),
                 domain_pb2.JobLogEntry(message=f"may take {request.timeout_secs} s")]
        return domain_pb2.ExecuteJobResponse(
            success=True, result=json.dumps({"sum": sum(numbers)}).encode(), progress_current=len(numbers),
            progress_total=len(numbers), cost_actual=0.25, log_entries=lines, plugin_version=VERSION)

    def refuse(self, request, context):
        return domain_pb2.ExecuteJobResponse(error="Row 7 has no price.", cost_actual=0.5)

    def fail(self, request, context):
        return domain_pb2.ExecuteJobResponse(success=True, result={"name": "screw"}["price"])

    def hang(self, request, context):
        told = threading.Event()
        context.add_callback(told.set)
        told.wait(600)
        print("told to end", flush=True)
        return domain_pb2.ExecuteJobResponse()

    def unsaid(self, request, context):
        return domain_pb2.ExecuteJobResponse(success=True, result=os.fsencode("\udcff\udcfe"))


def main():
    logging.basicConfig()
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    domain_pb2_grpc.add_DomainPluginServiceServicer_to_server(Stranger(server), server)
    port = server.add_insecure_port("127.0.0.1:%d" % options.parse_args().port)
    server.start()
    print("QNTX_PLUGIN_PORT=%d" % port, flush=True)
    server.wait_for_termination()


main()
