#!/usr/bin/python3
"""Plugins of QNTX as they are found in the wild: the name under which this program is
installed says in which way it is odd. Methods are answered by hand, without a servicer,
because a servicer would be too well-behaved.
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
from concurrent import futures

import grpc
from protocol import domain_pb2

NAME = os.path.basename(sys.argv[0])
HANDLERS = [] if NAME == "silent" else [f"{NAME}.echo"]
THREADS = 1 if NAME == "single" else 4


class Methods(grpc.GenericRpcHandler):
    def __init__(self):
        self.server = None
        self.known = {
            "/protocol.DomainPluginService/Metadata": self.metadata,
            "/protocol.DomainPluginService/Initialize": self.initialize,
            "/protocol.DomainPluginService/Health": lambda request, context: domain_pb2.HealthResponse(healthy=True),
            "/protocol.DomainPluginService/Shutdown": self.shutdown,
        }
        if HANDLERS:
            self.known["/protocol.DomainPluginService/ExecuteJob"] = self.execute

    def service(self, call):
        """None is UNIMPLEMENTED; "agrees" says OK and an empty message to whatever it does not know."""
        run = self.known.get(call.method)
        if run is None and NAME != "agrees":
            return None
        return grpc.unary_unary_rpc_method_handler(
            run or (lambda request, context: b""),
            response_serializer=lambda answer: answer if isinstance(answer, bytes) else answer.SerializeToString())

    def metadata(self, request, context):
        return domain_pb2.MetadataResponse(name=NAME, version="3")

    def initialize(self, request, context):
        return domain_pb2.InitializeResponse(handler_names=HANDLERS)

    def shutdown(self, request, context):
        threading.Thread(target=self.server.stop, args=(0,)).start()
        return domain_pb2.Empty()

    def execute(self, request, context):
        job = domain_pb2.ExecuteJobRequest.FromString(request)
        asked = json.loads(job.payload)
        if "answer" in asked:
            return bytes.fromhex(asked["answer"])
        time.sleep(asked.get("sleep", 0))
        cost = float("nan") if NAME == "nan" else 0.5
        return domain_pb2.ExecuteJobResponse(success=True, result=job.payload, cost_actual=cost)


def front(port, inner):
    """Lets one connection in at a time: the next is accepted when the one before has closed."""
    door = socket.create_server(("127.0.0.1", port))
    while True:
        outside, _ = door.accept()
        inside = socket.create_connection(("127.0.0.1", inner))
        ways = [threading.Thread(target=pump, args=way) for way in ((outside, inside), (inside, outside))]
        for way in ways:
            way.start()
        for way in ways:
            way.join()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    port = options.parse_args().port
    methods = Methods()
    server = methods.server = grpc.server(futures.ThreadPoolExecutor(THREADS), [methods],
                                          options=[("grpc.so_reuseport", 0)])
    bound = server.add_insecure_port(f"127.0.0.1:{0 if NAME == 'single' else port}")
    server.start()
    if NAME == "single":
        threading.Thread(target=front, args=(port, bound), daemon=True).start()
    print(f"QNTX_PLUGIN_PORT={port}", flush=True)
    server.wait_for_termination()


main()
