#!/usr/bin/python3
"""A plugin of QNTX in Python as its authors write one: grpcio, what protoc makes of the
protocol, and nothing of qntx. Two calls at once, and a client for each service that it calls.
"""

import argparse
import json
import threading
from concurrent import futures

import grpc
from protocol import atsstore_pb2, atsstore_pb2_grpc, domain_pb2, domain_pb2_grpc
from protocol import queue_pb2, queue_pb2_grpc, schedule_pb2, schedule_pb2_grpc

NAME = "plain"
HANDLERS = ("echo", "seen", "told", "attest", "enqueue", "schedule")


class Plain(domain_pb2_grpc.DomainPluginServiceServicer):
    def __init__(self, server):
        self.server = server
        self.initialized = 0
        self.asked = None

    def Metadata(self, request, context):
        return domain_pb2.MetadataResponse(name=NAME, version="0.0.7")

    def Initialize(self, request, context):
        self.initialized += 1
        self.asked = request
        watcher = domain_pb2.WatcherRegistration(id="sightings", handler_name=f"{NAME}.seen", subjects=[NAME])
        return domain_pb2.InitializeResponse(handler_names=[f"{NAME}.{each}" for each in HANDLERS], watchers=[watcher])

    def Health(self, request, context):
        return domain_pb2.HealthResponse(healthy=True)

    def Shutdown(self, request, context):
        threading.Thread(target=self.server.stop, args=(0,)).start()
        return domain_pb2.Empty()

    def HandleHTTP(self, request, context):
        return domain_pb2.HTTPResponse(
            status_code=201, body=f"{request.method} {request.path} {request.body.decode()}".encode())

    def HandleWebSocket(self, messages, context):
        for message in messages:
            if message.type == domain_pb2.WebSocketMessage.PING:
                yield domain_pb2.WebSocketMessage(type=domain_pb2.WebSocketMessage.PONG, timestamp=message.timestamp)
            elif message.type == domain_pb2.WebSocketMessage.DATA:
                yield domain_pb2.WebSocketMessage(type=domain_pb2.WebSocketMessage.DATA, data=message.data)
            elif message.type == domain_pb2.WebSocketMessage.CLOSE:
                return

    def ExecuteJob(self, request, context):
        return getattr(self, request.handler_name.split(".")[1])(request.payload)

    def echo(self, payload):
        return domain_pb2.ExecuteJobResponse(success=True, result=payload, cost_actual=float("nan"))

    seen = echo

    def told(self, payload):
        told = {"initialized": self.initialized, "place": self.asked.config["place"]}
        return domain_pb2.ExecuteJobResponse(success=True, result=json.dumps(told).encode())

    def attest(self, payload):
        stub = atsstore_pb2_grpc.ATSStoreServiceStub(grpc.insecure_channel(self.asked.ats_store_endpoint))
        command = atsstore_pb2.AttestationCommand(subjects=[payload.decode()], predicates=["was seen by"], contexts=[NAME])
        answer = stub.GenerateAndCreateAttestation(
            atsstore_pb2.GenerateAttestationRequest(auth_token=self.asked.auth_token, command=command))
        return said(answer, "")

    def enqueue(self, payload):
        stub = queue_pb2_grpc.QueueServiceStub(grpc.insecure_channel(self.asked.queue_endpoint))
        job = queue_pb2.Job(handler_name=f"{NAME}.echo", payload=payload)
        answer = stub.Enqueue(queue_pb2.EnqueueRequest(auth_token=self.asked.auth_token, job=job))
        return said(answer, answer.job_id)

    def schedule(self, payload):
        stub = schedule_pb2_grpc.ScheduleServiceStub(grpc.insecure_channel(self.asked.schedule_endpoint))
        answer = stub.CreateSchedule(schedule_pb2.CreateScheduleRequest(
            auth_token=self.asked.auth_token, handler_name=f"{NAME}.echo", interval_seconds=3600, payload=payload))
        return said(answer, answer.schedule_id)


def said(answer, made):
    return domain_pb2.ExecuteJobResponse(success=answer.success, error=answer.error, result=json.dumps(made).encode())


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    domain_pb2_grpc.add_DomainPluginServiceServicer_to_server(Plain(server), server)
    port = server.add_insecure_port("127.0.0.1:%d" % options.parse_args().port)
    server.start()
    print("QNTX_PLUGIN_PORT=%d" % port, flush=True)
    server.wait_for_termination()


main()
