"""Frames of docs/frames.md: the payload is read into memory of its own, and arrays are laid over it."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, Dict, NamedTuple, Optional, Protocol, cast

import msgpack  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

VERSION = 1
HELLO, BATCH, SCORE, END, ERROR = 1, 2, 3, 4, 5
GREETING, DONE, SCORES, BYE = 16, 17, 18, 19

_HEAD = struct.Struct(">BBBBI")
_LENGTH = struct.Struct(">BI")
_DTYPES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4"), "uint8": np.dtype("u1")}
_ALIGNMENT = 64


class ProtocolError(Exception):
    """What came is no frame of this protocol, or ended in the middle of one."""


class Frame(NamedTuple):
    kind: int
    header: Dict[str, Any]
    payload: NDArray[np.uint8]


class Source(Protocol):
    def readinto(self, buffer: memoryview, /) -> Optional[int]: ...


def encode(kind: int, header: Dict[str, Any], payload: bytes = b"") -> bytes:
    packed: bytes = msgpack.packb(header)
    head = _HEAD.pack(0x94, VERSION, kind, 0xC6, len(packed))
    return head + packed + _LENGTH.pack(0xC6, len(payload)) + payload


def read_frame(source: Source) -> Optional[Frame]:
    """Reads one frame; None at the end of the stream."""
    head = bytearray(_HEAD.size)
    if not _fill(source, memoryview(head), at_end_ok=True):
        return None
    array, version, kind, marker, header_size = _HEAD.unpack(head)
    if array != 0x94 or marker != 0xC6:
        raise ProtocolError(f"expected a frame (0x94 .. .. 0xc6), got {head[:4].hex()}: is this taustream's stream?")
    if version != VERSION:
        raise ProtocolError(f"expected version {VERSION} of the protocol, got {version}: update the client")
    rest = bytearray(header_size + _LENGTH.size)
    _fill(source, memoryview(rest))
    marker, payload_size = _LENGTH.unpack_from(rest, header_size)
    if marker != 0xC6:
        raise ProtocolError(f"expected a payload (0xc6), got 0x{marker:02x}")
    header = msgpack.unpackb(memoryview(rest)[:header_size])
    # NumPy aligns to 16 bytes only; columns lie on multiples of 64 from the payload's begin.
    room = np.empty(payload_size + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    payload = room[start : start + payload_size]
    _fill(source, payload.data)
    return Frame(kind, header, payload)


def columns_of(frame: Frame) -> Dict[str, NDArray[Any]]:
    """Lays arrays over the payload; nothing is copied."""
    columns: Dict[str, NDArray[Any]] = {}
    for column in frame.header["columns"]:
        dtype, shape = _DTYPES[column["type"]], tuple(column["shape"])
        columns[column["name"]] = np.ndarray(shape, cast(Any, dtype), frame.payload.data, column["offset"])
    return columns


def _fill(source: Source, room: memoryview, at_end_ok: bool = False) -> bool:
    got = 0
    while got < len(room):
        size = source.readinto(room[got:])
        if not size:
            if got == 0 and at_end_ok:
                return False
            raise ProtocolError(f"expected {len(room)} more bytes of a frame, got {got}, then the end: it was cut short")
        got += size
    return True


def raw(stream: BinaryIO) -> Source:
    """The unbuffered file under a buffered one, so that payloads are read where they belong."""
    return cast(Source, getattr(stream, "raw", stream))
