"""Output: gives what is printed inside a handler to its job.

A context variable knows for which job the code runs, also after an await and in the
threads that handlers are run in. Elsewhere the output is the plugin's own.
"""

from __future__ import annotations

import json
import logging
import sys

from .job import current


def capture() -> None:
    """Puts print, warnings and `logging` into the log of the job that they come from."""
    sys.stdout.reconfigure(line_buffering=True)  # A pipe would keep lines back until it is full.
    sys.stdout, sys.stderr = _Output(sys.stdout, "info"), _Output(sys.stderr, "warn")
    root = logging.getLogger()
    if not root.handlers:  # Otherwise the plugin has said itself where records go.
        root.addHandler(_Records())
        root.setLevel(logging.INFO)


def plugin_line(level: str, message: str, fields: dict) -> None:
    """Writes a line of the plugin's own log: one JSON object, whose `level` the host reads."""
    print(json.dumps({"level": level, "message": message, **fields}, default=str), file=sys.__stdout__, flush=True)


class _Output:
    """Stands in for stdout or stderr."""

    def __init__(self, real, level: str):
        self._real, self._level = real, level

    def write(self, text: str) -> int:
        job = current.get()
        if job is None or job._ended:
            return self._real.write(text)
        job._print(self._level, text)
        return len(text)

    def __getattr__(self, name: str):
        return getattr(self._real, name)


class _Records(logging.Handler):
    """Writes what was said through `logging`, with its own level where a job says it."""

    def emit(self, record: logging.LogRecord) -> None:
        job, text = current.get(), self.format(record)
        if job is None or job._ended:
            return plugin_line(_level(record), text, {"logger": record.name})
        job._line(_level(record), text, {})


def _level(record: logging.LogRecord) -> str:
    for least, level in ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")):
        if record.levelno >= least:
            return level
    return "debug"
