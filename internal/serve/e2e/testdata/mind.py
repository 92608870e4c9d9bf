#!/usr/bin/python3
"""Two plugins as QNTX's own are, by the name under which this is installed: `oracle`
provides a model and embeddings, `asker` calls them. Messages are made by hand: a service
needs nothing of its protocol but the names of its calls.
"""

import argparse
import json
import os
import sys
import threading
from concurrent import futures

import grpc
from protocol import domain_pb2, domain_pb2_grpc

NAME = os.path.basename(sys.argv[0])
PATHS = {"llm": "/protocol.LLMService/", "embedding": "/protocol.EmbeddingService/"}


def field(number, text):
    value = text.encode()
    return bytes([number << 3 | 2, len(value)]) + value


def texts(message):
    """The texts of a message by their numbers; none is longer than 127 bytes here."""
    found, at = {}, 0
    while at < len(message):
        number, length = message[at] >> 3, message[at + 1]
        found[number] = message[at + 2:at + 2 + length].decode()
        at += 2 + length
    return found


class Mind(domain_pb2_grpc.DomainPluginServiceServicer):
    initializations = 0

    def __init__(self, server):
        self.server = server

    def Metadata(self, request, context):
        return domain_pb2.MetadataResponse(name=NAME, version="1")

    def Initialize(self, request, context):
        self.told = request
        self.initializations += 1
        provides = NAME != "asker"
        return domain_pb2.InitializeResponse(handler_names=[] if provides else ["asker.ask", "asker.told"],
                                             llm_provider=provides, embedding_provider=provides)

    def Health(self, request, context):
        return domain_pb2.HealthResponse(healthy=True)

    def Shutdown(self, request, context):
        threading.Thread(target=self.server.stop, args=(0,)).start()
        return domain_pb2.Empty()

    def ExecuteJob(self, request, context):
        asked = json.loads(request.payload)
        result = self.told_of() if request.handler_name == "asker.told" else self.ask(**asked)
        return domain_pb2.ExecuteJobResponse(success=True, result=json.dumps(result).encode())

    def told_of(self):
        names = ["file_service", "llm", "embedding", "vector_search", "ground", "search"]
        given = {name: getattr(self.told, f"{name}_endpoint") for name in names}
        return {"services": [name for name, address in given.items() if address],
                "initializations": self.initializations}

    def ask(self, service, method, message, streams=False):
        fields = {int(number): text for number, text in message.items()}
        if fields.get(1) == "mine":
            fields[1] = self.told.auth_token
        request = b"".join(field(number, text) for number, text in fields.items())
        with grpc.insecure_channel(getattr(self.told, f"{service}_endpoint")) as channel:
            try:
                if streams:
                    return [texts(one) for one in channel.unary_stream(PATHS[service] + method)(request, timeout=10)]
                return texts(channel.unary_unary(PATHS[service] + method)(request, timeout=10))
            except grpc.RpcError as error:
                return [error.code().name, error.details()]

    def chat(self, request, context):
        asked = texts(request)
        if asked[2] == "riddle":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "I am tired")
        return field(1, f"{NAME} says: {asked[2]}!")

    def stream_chat(self, request, context):
        for word in texts(request)[2].split():
            if word == "stop":
                context.abort(grpc.StatusCode.ABORTED, "I was told to stop")
            yield field(1, word)

    def embed(self, request, context):
        asked = texts(request)
        return field(1, "my token" if asked[1] == self.told.auth_token else asked[1]) + field(2, asked[2])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    mind = Mind(server)
    domain_pb2_grpc.add_DomainPluginServiceServicer_to_server(mind, server)
    for name, methods in [("protocol.LLMService", {"Chat": grpc.unary_unary_rpc_method_handler(mind.chat),
                                                   "StreamChat": grpc.unary_stream_rpc_method_handler(mind.stream_chat)}),
                          ("protocol.EmbeddingService", {"Embed": grpc.unary_unary_rpc_method_handler(mind.embed)})]:
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, methods)])
    port = server.add_insecure_port("127.0.0.1:%d" % options.parse_args().port)
    server.start()
    print("QNTX_PLUGIN_PORT=%d" % port, flush=True)
    server.wait_for_termination()


main()
