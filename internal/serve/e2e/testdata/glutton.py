"""A plugin that hands its host far too much, by each way that there is, past what its SDK would refuse."""

import socket
import struct
import sys

import qntx.host
import qntx.serve
from qntx import Plugin, Response
from qntx.endings import HostError
from qntx.wire import v1

UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.enable_http_proxy", 0))
qntx.host.CHANNEL_OPTIONS = qntx.serve.CHANNEL_OPTIONS = UNLIMITED
plugin = Plugin("glutton", version="6.6.6", capabilities=["cap:storage.kv"])


def refused(attempt) -> str:
    try:
        attempt()
    except (HostError, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "done"


@plugin.job("enqueue", max_attempts=1)
def enqueue(job):
    request = v1.EnqueueRequest(jobs=[v1.NewJob(handler="glutton.enqueue", payload=bytes(job.payload["bytes"]))])
    return refused(lambda: plugin.host._ask("qntx.v1.HostService/Enqueue", request))


@plugin.job("storage", max_attempts=1)
def storage(job):
    return refused(lambda: plugin.host.storage.set("all", bytes(job.payload["bytes"])))


@plugin.job("attestation", max_attempts=1)
def attestation(job):
    return refused(lambda: plugin.host.ats.create(["x" * job.payload["bytes"]], predicates=["is"]))


@plugin.job("frame", max_attempts=1)
def frame(job):
    """Says by the five bytes in front that so much comes, and sends it as fast as it is taken. Answers with how much was."""
    host, port = plugin.host._endpoints["qntx.v1.HostService"].split(":")
    text = lambda words: bytes([len(words)]) + words.encode()
    headers = (b"\x83\x86\x04" + text("/qntx.v1.HostService/Enqueue") + b"\x01" + text("127.0.0.1")
               + b"\x0f\x10" + text("application/grpc") + b"\x00" + text("te") + text("trailers")
               + b"\x0f\x08" + text(f"Bearer {plugin.host._token}"))
    framed = lambda kind, flags, stream, data: (struct.pack(">I", len(data))[1:] + bytes([kind, flags])
                                                + struct.pack(">I", stream) + data)
    sent, piece = 0, framed(0, 0, 1, bytes(16384))
    with socket.create_connection((host, int(port)), timeout=2) as door:
        try:
            door.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + framed(4, 0, 0, b"") + framed(1, 4, 1, headers)
                         + framed(0, 0, 1, b"\x00" + struct.pack(">I", job.payload["bytes"])))
            while sent < job.payload["bytes"]:
                door.sendall(piece)
                sent += 16384
        except OSError as error:
            return {"sent": sent, "why": type(error).__name__}
    return {"sent": sent, "why": ""}


@plugin.job("checkpoint", max_attempts=1)
def checkpoint(job):
    data = bytes(job.payload["bytes"])
    job._outbox.checkpoint(v1.JobCheckpoint(job_id=job.id, fence=job._fence, checkpoint=data))
    job.cancel_event.wait(60)


@plugin.job("progress", max_attempts=1)
def progress(job):
    job.progress(1, 2, "x" * job.payload["bytes"])
    job.cancel_event.wait(60)


@plugin.job("result", max_attempts=1)
def result(job):
    data = bytes(job.payload["bytes"])
    job._outbox.finish(v1.JobFinish(job_id=job.id, fence=job._fence, success=True, result=data))
    job.cancel_event.wait(60)


@plugin.http("GET", "/answer")
def answer(request, host):
    return Response(bytes(int(request.query["bytes"])))


plugin.run()
