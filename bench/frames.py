"""HTTP/2 by hand (RFC 9113): what a well-behaved library never sends, and what tells how the server takes it.

What belongs here: frames, headers without compression, and a connection that keeps to the windows it is given, or
doesn't. What is said with them is the caller's.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4
_HEAD, _LARGEST, _WINDOW, _ONE_BYTE = 9, 16_384, 65_535, 127
_SERVICE: Final = "/resolver_grpc.v1.ResolverService/"


class Frame(NamedTuple):
    """A frame as it was read."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame's bytes, whether the payload fits its kind or not."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def header(name: str, value: str) -> bytes:
    """One header as HPACK has it in full, without table and without Huffman's code."""
    return b"\0" + b"".join(_length(len(text)) + text for text in (name.encode(), value.encode()))


def _length(number: int) -> bytes:
    if number < _ONE_BYTE:
        return bytes((number,))
    written, number = bytearray((_ONE_BYTE,)), number - _ONE_BYTE
    while number > _ONE_BYTE:
        written.append(number & _ONE_BYTE | 0x80)
        number >>= 7
    return bytes((*written, number))


def call_headers(method: str, *more: tuple[str, str]) -> bytes:
    """The headers of a call of one of the service's methods, or of another RPC by its whole path."""
    path = method if method.startswith("/") else _SERVICE + method
    usual = ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"))
    return b"".join(header(*one) for one in (*usual, ("content-type", "application/grpc"), ("te", "trailers"), *more))


def message(content: bytes, *, stated: int | None = None, compressed: bool = False) -> bytes:
    """A gRPC message; it may state another length than it has."""
    return bytes((compressed,)) + struct.pack(">I", len(content) if stated is None else stated) + content


@dataclass(slots=True)
class Connection:
    """A connection that keeps to the windows that the server opens for it.

    Attributes:
        socket: connected, and greeted.
        settings: the server's, by their number.
        frames: what was read and is not of the connection's own housekeeping.
        is_closed: whether the server has closed it.
    """

    socket: socket.socket
    settings: dict[int, int] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    is_closed: bool = False
    _unread: bytearray = field(default_factory=bytearray)
    _window: int = _WINDOW
    _windows: dict[int, int] = field(default_factory=dict)

    @classmethod
    def to(cls, address: str) -> Connection:
        """Connects to ``HOST:PORT``, and says what a client says first."""
        host, _, port = address.rpartition(":")
        made = cls(socket.create_connection((host, int(port)), timeout=5))
        made.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.put(PREFACE + frame(SETTINGS, 0, 0))
        return made

    def put(self, data: bytes) -> None:
        """Sends bytes as they are; what the server doesn't want any more is lost."""
        try:
            self.socket.settimeout(5)
            self.socket.sendall(data)
        except OSError:
            self.is_closed = True

    def call(self, stream: int, method: str, *more: tuple[str, str]) -> None:
        """Opens a stream with the headers of a call."""
        self._windows[stream] = self.settings.get(INITIAL_WINDOW_SIZE, _WINDOW)
        self.put(frame(HEADERS, END_HEADERS, stream, call_headers(method, *more)))

    def send(self, stream: int, data: memoryview) -> memoryview:
        """Sends of some data what the windows allow at once, a frame at most; gives the rest."""
        size = min(len(data), self._window, self._windows[stream], _LARGEST)
        if size > 0:
            self.put(frame(DATA, 0, stream, bytes(data[:size])))
            self._window -= size
            self._windows[stream] -= size
        return data[max(size, 0) :]

    def read(self, seconds: float = 0.0) -> bool:
        """Reads what is there, or what comes within some seconds; tells whether anything did."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1 << 18)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            data = b""
        self.is_closed |= not data
        self._unread += data
        while len(self._unread) >= _HEAD + (size := int.from_bytes(self._unread[:3])):
            kind, flags, stream = self._unread[3], self._unread[4], int.from_bytes(self._unread[5:_HEAD])
            payload = bytes(self._unread[_HEAD : _HEAD + size])
            del self._unread[: _HEAD + size]
            self._take(Frame(kind, flags, stream, payload))
        return bool(data)

    def read_until(self, kind: int, stream: int, seconds: float = 5.0) -> Frame | None:
        """Reads until a frame of a kind has come on a stream; None where the server closes, or takes its time."""
        while True:
            for one in self.frames:
                if (one.kind, one.stream) == (kind, stream):
                    return one
            if not self.read(seconds):
                return None

    def _take(self, one: Frame) -> None:
        if one.kind == WINDOW_UPDATE:
            self._widen(one.stream, int.from_bytes(one.payload))
        elif one.kind == SETTINGS and not one.flags & ACK:
            self._settle(one.payload)
        elif one.kind == PING and not one.flags & ACK:
            self.put(frame(PING, ACK, 0, one.payload))
        else:
            self.frames.append(one)

    def _widen(self, stream: int, size: int) -> None:
        if stream == 0:
            self._window += size
        elif stream in self._windows:
            self._windows[stream] += size

    def _settle(self, payload: bytes) -> None:
        former = self.settings.get(INITIAL_WINDOW_SIZE, _WINDOW)
        self.settings.update(struct.iter_unpack(">HI", payload))
        for stream in self._windows:
            self._windows[stream] += self.settings.get(INITIAL_WINDOW_SIZE, _WINDOW) - former
        self.put(frame(SETTINGS, ACK, 0))

    def close(self) -> None:
        """Ends the connection without a word."""
        with suppress(OSError):
            self.socket.close()
