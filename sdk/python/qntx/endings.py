"""Endings: what a handler raises on purpose, and the answer that the host gets for
what a handler returned or raised."""

from __future__ import annotations

import asyncio
import os
import traceback
import typing

from .wire import utf8, v1, write_json

if typing.TYPE_CHECKING:
    from .job import Job

RESULT_BYTES_MAX = 1_048_576  # 1 MiB: what a host keeps; larger things belong in files or attestations.
TEXT_CHARS_MAX = 65_536  # Of a message or a traceback: enough for any real one.

_HERE = os.path.dirname(__file__)


class PermanentError(Exception):
    """Raise it to fail a job for good: no further try."""


class RetryAfter(Exception):
    """Raise it to fail a try and to say after how many seconds the next one makes sense."""

    def __init__(self, seconds: float, message: str = ""):
        super().__init__(message or f"try again in {seconds:g} s")
        self.seconds = seconds


class Snooze(Exception):
    """Raise it to run again after so many seconds without it counting as a try."""

    def __init__(self, seconds: float):
        super().__init__(f"snoozed for {seconds:g} s")
        self.seconds = seconds


class HostError(Exception):
    """The host refused, or did not answer.

    code         why: "validation" (something that was given is wrong, or taken), "not-found"
                 (or not this plugin's), "quota", "denied" (a capability is missing), "conflict"
                 (its state or revision forbids it), "unavailable", or "internal"
    status       gRPC's word for it: "INVALID_ARGUMENT", "NOT_FOUND" …
    field_errors what is wrong, by the name of the wrong field
    hint         what to do about it
    retry_after  seconds; 0 when not said. A handler that lets the error through waits so long.
    limit        of RESOURCE_EXHAUSTED: {"name": "schedules", "allows": 50, "used": 50}; None when it is none of the plugin's
    """

    def __init__(self, status: str, message: str, field_errors: dict[str, str] | None = None,
                 hint: str = "", retry_after: float = 0, limit: dict | None = None):
        super().__init__(f"{message} {hint}" if hint else message)  # Whoever reads the error of a job wants the way out.
        self.status, self.field_errors, self.hint, self.retry_after = status, field_errors or {}, hint, retry_after
        self.limit = limit
        code = _CODES.get(status, "internal")
        self.code = "validation" if code == "conflict" and field_errors else code  # A name that is taken is a wrong name.


_CODES = {
    "INVALID_ARGUMENT": "validation", "NOT_FOUND": "not-found", "RESOURCE_EXHAUSTED": "quota",
    "PERMISSION_DENIED": "denied", "UNAUTHENTICATED": "denied", "ABORTED": "conflict", "ALREADY_EXISTS": "conflict",
    "FAILED_PRECONDITION": "conflict", "UNAVAILABLE": "unavailable", "DEADLINE_EXCEEDED": "unavailable",
    "CANCELLED": "unavailable",
}


def finish_of_result(job: Job, result: object):
    """The JobFinish of a handler that returned. A result that cannot travel is a failure that says so."""
    if job._told_why == "shutdown" and job._listens:
        return _given_back()
    try:
        data = write_json(result)
    except (TypeError, ValueError) as error:
        return _refused(f"The result of {job.handler} is not JSON: {error}. Return plain data, or bytes.")
    if len(data) > RESULT_BYTES_MAX:
        return _refused(f"The result of {job.handler} has {len(data)} bytes; a result may have {RESULT_BYTES_MAX}.")
    return v1.JobFinish(success=True, result=data)


def finish_of_error(job: Job, error: BaseException):
    """The JobFinish of a handler that raised."""
    if job._told_why == "shutdown":
        return _given_back()
    return v1.JobFinish(error=v1.JobError(
        message=utf8(sentence_of(error))[:TEXT_CHARS_MAX], kind=_kind(job, error), stack=utf8(_stack(error)),
        permanent=isinstance(error, PermanentError), snooze=isinstance(error, Snooze),
        retry_after_ms=_wait_ms(error)))


def finish_of_unknown(sentence: str):
    """The JobFinish of a job whose handler this plugin does not have."""
    return v1.JobFinish(error=v1.JobError(message=sentence, kind="unknown-handler"))


def sentence_of(error: BaseException) -> str:
    """What an exception says. Python's own need their class before it: KeyError says only the key."""
    if isinstance(error, (PermanentError, RetryAfter, Snooze, HostError)) and str(error):
        return str(error)
    if isinstance(error, SystemExit):
        return f"The handler called sys.exit({error.code!r})."
    if isinstance(error, asyncio.CancelledError):
        return "The job was told to end."
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def _given_back():
    """The plugin is ending, and the job did not come to its end: no try is spent."""
    return v1.JobFinish(error=v1.JobError(message="The job was told to end.", kind="shutdown", snooze=True))


def _refused(message: str):
    """Running it again would return the same, so it is for good."""
    return v1.JobFinish(error=v1.JobError(message=message, kind="result", permanent=True))


def _kind(job: Job, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "exit"
    if job._told.is_set() and isinstance(error, asyncio.CancelledError):
        return "timeout" if job._told_why == "timeout" else "cancelled"
    return type(error).__name__


def _wait_ms(error: BaseException) -> int:
    if isinstance(error, (RetryAfter, Snooze)):
        return max(0, round(error.seconds * 1000))
    return max(0, round(error.retry_after * 1000)) if isinstance(error, HostError) else 0


def _stack(error: BaseException) -> str:
    """The traceback from the handler's first line on: ours before it explain nothing."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith(_HERE):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))[-TEXT_CHARS_MAX:]
