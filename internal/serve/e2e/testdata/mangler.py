#!/usr/bin/python3
"""A plugin of QNTX that answers, and whose answers are spoilt on their way: a proxy before
its own gRPC server flips, cuts, doubles and invents bytes behind each request to /mangle.
"""

import argparse
import json
import os
import random
import socket
import threading
from concurrent import futures

import grpc
from protocol import domain_pb2, domain_pb2_grpc

spoil = {"left": 0, "random": random.Random(0)}
lock = threading.Lock()


class Mangler(domain_pb2_grpc.DomainPluginServiceServicer):
    def Metadata(self, request, context):
        return domain_pb2.MetadataResponse(name="mangler", version="0.1.0")

    def Initialize(self, request, context):
        with open("told.new", "w") as file:
            json.dump({"queue_endpoint": request.queue_endpoint, "auth_token": request.auth_token}, file)
        os.rename("told.new", "told.json")
        return domain_pb2.InitializeResponse(handler_names=["mangler.work"])

    def Health(self, request, context):
        return domain_pb2.HealthResponse(healthy=True)

    def Shutdown(self, request, context):
        threading.Timer(0.1, os._exit, (0,)).start()
        return domain_pb2.Empty()

    def HandleHTTP(self, request, context):
        if request.path.startswith("/mangle"):
            with lock:
                spoil["random"].seed(request.path)
                spoil["left"] += 1
        return domain_pb2.HTTPResponse(status_code=200, body=b"plain " * 20)


def mangled(data):
    with lock:
        if not spoil["left"]:
            return data
        spoil["left"] -= 1
        dice = spoil["random"]
        at, noise = dice.randrange(len(data)), dice.randbytes(dice.randrange(1, 64))
        frame = dice.randrange(2**24).to_bytes(3, "big") + dice.randbytes(6) + noise
        flipped = data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1:]
        return dice.choice([flipped, data[:at] + noise + data[at:], data[:at], data + data, frame + data,
                            b"\xff\xff\xff" + data[3:], data + frame, noise, data[:9] + b"\x00\xff\xff\xff\xff" + data[14:]])


def pump(source, sink, through):
    try:
        while data := source.recv(65536):
            sink.sendall(through(data))
    except OSError:
        pass
    for each in (source, sink):
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


words = argparse.ArgumentParser()
words.add_argument("--port", type=int, default=0)
server = grpc.server(futures.ThreadPoolExecutor(16))
domain_pb2_grpc.add_DomainPluginServiceServicer_to_server(Mangler(), server)
inner = server.add_insecure_port("127.0.0.1:0")
server.start()
front = socket.create_server(("127.0.0.1", words.parse_args().port))
print(f"QNTX_PLUGIN_PORT={front.getsockname()[1]}", flush=True)
while True:
    host, _ = front.accept()
    plugin = socket.create_connection(("127.0.0.1", inner))
    for work in ((host, plugin, bytes), (plugin, host, mangled)):
        threading.Thread(target=pump, args=work, daemon=True).start()
