#!/usr/bin/python3
"""A plugin of QNTX in Python with nothing of qntx in it, that speaks over WebSockets and
fetches from the web: grpcio, and what protoc makes of the protocol.
"""

import argparse
import os
import threading
from concurrent import futures

import grpc
from protocol import domain_pb2, domain_pb2_grpc, fetch_pb2, fetch_pb2_grpc

Message = domain_pb2.WebSocketMessage


class Walker(domain_pb2_grpc.DomainPluginServiceServicer):
    def __init__(self, server):
        self.server = server

    def Metadata(self, request, context):
        return domain_pb2.MetadataResponse(name="walker", version="0.1.0")

    def Initialize(self, request, context):
        self.token = request.auth_token
        self.web = fetch_pb2_grpc.FetchServiceStub(grpc.insecure_channel(request.fetch_endpoint))
        return domain_pb2.InitializeResponse()

    def Health(self, request, context):
        return domain_pb2.HealthResponse(healthy=True)

    def Shutdown(self, request, context):
        threading.Thread(target=self.server.stop, args=(0,)).start()
        return domain_pb2.Empty()

    def HandleWebSocket(self, requests, context):
        who = dict(context.invocation_metadata()).get("who")
        for message in requests:
            if message.type == Message.CONNECT:
                yield self.data(f"hello {who} {message.headers.get('authorization')}")
            elif message.type == Message.PING:
                yield Message(type=Message.PONG, timestamp=message.timestamp)
            elif message.type == Message.CLOSE:
                break
            elif message.data == b"end":
                yield Message(type=Message.CLOSE)
            elif message.data == b"fail":
                yield Message(type=Message.ERROR, data=b"Plugin walker failed to answer.")
            elif message.data == b"quit":
                os._exit(1)
            elif message.data.startswith(b"fetch "):
                request = fetch_pb2.FetchRequest(auth_token=self.token, url=message.data[len("fetch "):].decode())
                answer = self.web.Fetch(request, timeout=30)
                yield self.data(answer.body if answer.success else answer.error)
            else:
                yield Message(type=Message.DATA, data=message.data, timestamp=message.timestamp)
        print(f"gone {who}", flush=True)

    def data(self, text):
        return Message(type=Message.DATA, data=text.encode())


words = argparse.ArgumentParser()
words.add_argument("--port", type=int, default=0)
server = grpc.server(futures.ThreadPoolExecutor(16))
domain_pb2_grpc.add_DomainPluginServiceServicer_to_server(Walker(server), server)
port = server.add_insecure_port(f"127.0.0.1:{words.parse_args().port}")
server.start()
print(f"QNTX_PLUGIN_PORT={port}", flush=True)
server.wait_for_termination()
