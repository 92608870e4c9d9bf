#!/usr/bin/python3
"""A plugin that polls for each glyph on a schedule which the glyph's user makes.

Nothing of qntx is in it: grpcio, and what protoc makes of the protocol. It has no
ticker and keeps nothing: the schedule's id lives in the glyph's attestation.
"""

import argparse
import json
import threading
from concurrent import futures

import grpc
from google.protobuf import json_format
from protocol import atsstore_pb2, atsstore_pb2_grpc, domain_pb2, domain_pb2_grpc, schedule_pb2, schedule_pb2_grpc

NAME = "poller"
PREDICATE = "polls-by"


class Poller(domain_pb2_grpc.DomainPluginServiceServicer):
    def __init__(self, server):
        self.server = server

    def Metadata(self, request, context):
        return domain_pb2.MetadataResponse(name=NAME, version="1.2.0", qntx_version=">= 0.1.0")

    def Initialize(self, request, context):
        self.token = request.auth_token
        self.schedules = schedule_pb2_grpc.ScheduleServiceStub(grpc.insecure_channel(request.schedule_endpoint))
        self.attestations = atsstore_pb2_grpc.ATSStoreServiceStub(grpc.insecure_channel(request.ats_store_endpoint))
        return domain_pb2.InitializeResponse(handler_names=["poller.poll"])

    def Health(self, request, context):
        return domain_pb2.HealthResponse(healthy=True)

    def Shutdown(self, request, context):
        threading.Thread(target=self.server.stop, args=(0,)).start()
        return domain_pb2.Empty()

    def HandleHTTP(self, request, context):
        verbs = {"/activate": self.activate, "/pause": self.pause, "/resume": self.resume, "/delete": self.delete}
        try:
            answer = verbs[request.path](json.loads(request.body))
            return domain_pb2.HTTPResponse(status_code=200, body=json.dumps(answer).encode())
        except RuntimeError as error:
            return domain_pb2.HTTPResponse(status_code=409, body=str(error).encode())

    def ExecuteJob(self, request, context):
        line = domain_pb2.JobLogEntry(level="info", message="polled " + json.loads(request.payload)["url"])
        return domain_pb2.ExecuteJobResponse(success=True, result=request.payload, log_entries=[line])

    def activate(self, asked):
        created = self.schedules.CreateSchedule(schedule_pb2.CreateScheduleRequest(
            auth_token=self.token, handler_name="poller.poll", interval_seconds=asked["interval"],
            payload=json.dumps(asked["payload"]).encode(), metadata={"glyph": asked["glyph"]}))
        self.check(created)
        command = atsstore_pb2.AttestationCommand(
            subjects=[asked["glyph"]], predicates=[PREDICATE], contexts=[NAME], source=NAME)
        command.attributes.update({"schedule_id": created.schedule_id})
        self.check(self.attestations.GenerateAndCreateAttestation(
            atsstore_pb2.GenerateAttestationRequest(auth_token=self.token, command=command)))
        return {"schedule": created.schedule_id}

    def pause(self, asked):
        return self.move(self.schedules.PauseSchedule, schedule_pb2.PauseScheduleRequest, asked)

    def resume(self, asked):
        return self.move(self.schedules.ResumeSchedule, schedule_pb2.ResumeScheduleRequest, asked)

    def delete(self, asked):
        return self.move(self.schedules.DeleteSchedule, schedule_pb2.DeleteScheduleRequest, asked)

    def move(self, call, message, asked):
        schedule_id = self.schedule_of(asked["glyph"])
        self.check(call(message(auth_token=self.token, schedule_id=schedule_id)))
        now = self.schedules.GetSchedule(
            schedule_pb2.GetScheduleRequest(auth_token=self.token, schedule_id=schedule_id))
        self.check(now)
        return {"schedule": schedule_id, "state": now.job.state, "interval": now.job.interval_seconds}

    def schedule_of(self, glyph):
        wanted = atsstore_pb2.AttestationFilter(subjects=[glyph], predicates=[PREDICATE], contexts=[NAME], limit=1)
        found = self.attestations.GetAttestations(
            atsstore_pb2.GetAttestationsRequest(auth_token=self.token, filter=wanted))
        self.check(found)
        return json_format.MessageToDict(found.attestations[0].attributes)["schedule_id"]

    def check(self, answer):
        if not answer.success:
            raise RuntimeError(answer.error)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    domain_pb2_grpc.add_DomainPluginServiceServicer_to_server(Poller(server), server)
    port = server.add_insecure_port("127.0.0.1:%d" % options.parse_args().port)
    server.start()
    print("QNTX_PLUGIN_PORT=%d" % port, flush=True)
    server.wait_for_termination()


main()
