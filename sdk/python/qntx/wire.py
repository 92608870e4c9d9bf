"""Wire: the protocol's messages, built at run time from their description.

There is no generated code: one generation of it imports on Debian's protobuf and not
on PyPI's newest, another the other way round. A descriptor set serves all of them.
The pool is our own, so that a plugin may bring generated code with the same names.
"""

from __future__ import annotations

import json
import pathlib
import sys
import typing

try:
    import grpc  # noqa: F401: it is used elsewhere, and missed here.
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError as missing:
    raise ImportError(f"A qntx plugin needs grpcio and protobuf, and {sys.executable} has no {missing.name}. "
                      "Install them: apt-get install python3-grpcio, or pip install grpcio protobuf.") from None

MESSAGE_BYTES_MAX = 100 * 1024 * 1024  # As QNTX sets on both sides.
# The proxy of the environment is for the internet, not for 127.0.0.1.
CHANNEL_OPTIONS = (("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                   ("grpc.max_send_message_length", MESSAGE_BYTES_MAX), ("grpc.enable_http_proxy", 0))

_pool = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(
        pathlib.Path(__file__).with_name("protocol.binpb").read_bytes()).file:
    _pool.AddSerializedFile(_file.SerializeToString())


def message_class(descriptor):
    """The class of a message: newer versions of protobuf have a function for it."""
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(_pool).GetPrototype(descriptor)


def method(path: str):
    """The descriptor of "package.Service/Method"."""
    service, name = path.split("/")
    return _pool.FindServiceByName(service).FindMethodByName(name)


def is_list(field) -> bool:
    """True for a field of many values: newer versions of protobuf have a word for it."""
    repeated = getattr(field, "is_repeated", None)
    return field.label == field.LABEL_REPEATED if repeated is None else repeated


class _Package:
    """The messages of a package by name, made when first asked for: `v1.JobLog(…)`."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str):
        made = message_class(_pool.FindMessageTypeByName(f"{self._name}.{name}"))
        setattr(self, name, made)
        return made


protocol = _Package("protocol")
v1 = _Package("qntx.v1")


def no_text(name: str, values: object) -> object:
    """What was given where a list is wanted. Raises TypeError for a text, of which a list would be
    its letters."""
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{name} is {values!r:.60}; it must be a list, like [{values!r:.60}].")
    return values


def serialize(message) -> bytes:
    """Writes any message."""
    return message.SerializeToString()


def read_json(data: bytes) -> typing.Any:
    """A payload as a value: None when there is none, text when it is not JSON."""
    if not data:
        return None
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def write_json(value: object) -> bytes:
    """A value as a payload: bytes as they are, None as nothing. Raises TypeError or
    ValueError, with Python's sentence, for what is not JSON."""
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def utf8(text: str) -> str:
    """Text that may travel: half a surrogate pair, which file names can hold, becomes "?"."""
    return text.encode("utf-8", "replace").decode()
