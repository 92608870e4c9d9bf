#!/usr/bin/python3
"""A plugin as QNTX's own are: it watches attestations, and has handlers for what it finds.

Nothing of qntx is in it: grpcio, and what protoc makes of the protocol.
"""

import argparse
import json
import threading
from concurrent import futures

import grpc
from protocol import domain_pb2, domain_pb2_grpc

NAME = "resident"


class Resident(domain_pb2_grpc.DomainPluginServiceServicer):
    def __init__(self, server):
        self.server = server

    def Metadata(self, request, context):
        return domain_pb2.MetadataResponse(name=NAME, version="0.4.0")

    def Initialize(self, request, context):
        self.config = dict(request.config)
        return domain_pb2.InitializeResponse(handler_names=["resident.greet"], watchers=[
            domain_pb2.WatcherRegistration(id="arrivals", handler_name="resident.greet", predicates=["arrived"]),
            domain_pb2.WatcherRegistration(id="everything", handler_name="resident.greet"),
        ])

    def ConfigSchema(self, request, context):
        if self.config.get("mood") == "malformed":
            context.abort(grpc.StatusCode.INTERNAL, "no schema today")
        return domain_pb2.ConfigSchemaResponse(fields={
            "depth": domain_pb2.ConfigFieldSchema(type="number", min_value="1", max_value="9", description="How deep."),
            "key": domain_pb2.ConfigFieldSchema(type="string", pattern="^k-", required=True),
            "rooms": domain_pb2.ConfigFieldSchema(type="array", element_type="number"),
            "mood": domain_pb2.ConfigFieldSchema(type="feeling", min_value="low", pattern="("),
        })

    def RegisterGlyphs(self, request, context):
        return domain_pb2.GlyphDefResponse(glyphs=[
            domain_pb2.GlyphDef(symbol="\u2302", title="House", label="house", content_path="/house",
                                css_path="house.css", module_path="/../other/steal.js", default_width=400)])

    def HandleHTTP(self, request, context):
        bodies = {"/house": ("text/html", "<h1>House</h1>"), "/house.css": ("text/css", "h1 { color: red }"),
                  "/config": ("application/json", json.dumps(self.config))}
        if request.path not in bodies:
            return domain_pb2.HTTPResponse(status_code=404)
        kind, body = bodies[request.path]
        headers = {"Content-Type": kind, "Set-Cookie": "a=b", "Access-Control-Allow-Origin": "*",
                   "Content-Security-Policy": "default-src 'none'"}
        return domain_pb2.HTTPResponse(status_code=200, body=body.encode(), headers=[
            domain_pb2.HTTPHeader(name=name, values=[value]) for name, value in headers.items()])

    def Health(self, request, context):
        return domain_pb2.HealthResponse(healthy=True)

    def Shutdown(self, request, context):
        threading.Thread(target=self.server.stop, args=(0,)).start()
        return domain_pb2.Empty()

    def ExecuteJob(self, request, context):
        arrived = json.loads(request.payload)
        headers = dict(context.invocation_metadata())
        if "shy" in arrived["contexts"] and headers["qntx-attempt"] == "1":
            return domain_pb2.ExecuteJobResponse(success=False, error="nobody answers the door")
        return domain_pb2.ExecuteJobResponse(success=True, result=json.dumps(
            {"greeted": arrived["subjects"], "by": headers["qntx-trigger"], "since": arrived["timestamp"]}).encode())


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    domain_pb2_grpc.add_DomainPluginServiceServicer_to_server(Resident(server), server)
    port = server.add_insecure_port("127.0.0.1:%d" % options.parse_args().port)
    server.start()
    print("QNTX_PLUGIN_PORT=%d" % port, flush=True)
    server.wait_for_termination()


main()
