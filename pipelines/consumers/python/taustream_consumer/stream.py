"""A stream of weighted minibatches, over a socket or a pipe."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Type, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import frames
from .frames import Frame, ProtocolError, Source


class StreamError(Exception):
    """The server refused something, or broke off. `code` is taustream's, such as ERR_CONSUMER."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass
class Presample:
    """Samples to be scored: arrays of B rows."""

    ids: List[str]
    columns: Dict[str, NDArray[Any]]

    @property
    def x(self) -> NDArray[Any]:
        return self.columns["x"]

    @property
    def y(self) -> NDArray[Any]:
        return self.columns["y"]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class Batch(Presample):
    """A weighted minibatch: multiply each sample's loss by its weight, then take the mean over the batch."""

    number: int
    phase: str
    """'uniform' or 'importance'."""
    tau: float
    version: int
    """Steps that were done when its samples were scored."""
    weights: NDArray[np.float32]
    _scores: Optional[bytes] = field(default=None, repr=False)

    def report(self, scores: ArrayLike) -> None:
        """Tells taustream how much each sample matters: its score or loss. Sent when the next batch is asked for."""
        self._scores = _floats(scores, len(self), f"report() on batch {self.number}")


Scorer = Callable[[Presample], ArrayLike]


class Stream:
    """Iterates over batches. Asking for the next one says that the step on the one before was taken."""

    def __init__(
        self,
        source: Source,
        sink: Optional[socket.socket] = None,
        score: Optional[Scorer] = None,
    ) -> None:
        self._source = source
        self._sink = sink
        self._score = score
        self._last: Optional[Batch] = None
        self._ended = False
        hello = self._read()
        if hello is None or hello.kind != frames.HELLO:
            raise ProtocolError("expected the server's hello, got " + ("the end" if hello is None else f"kind {hello.kind}"))
        self.corpus: str = hello.header["corpus"]
        self.length: Optional[int] = hello.header.get("length")
        """Samples in one epoch, if that is known."""
        self.schema: Dict[str, Dict[str, Any]] = hello.header["schema"]
        self.batch_size: int = hello.header["batchSize"]
        self.presample_size: int = hello.header["presampleSize"]

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        self._finish_last()
        while not self._ended:
            frame = self._read()
            if frame is None:
                raise ProtocolError("expected a batch or the end, but the server has gone")
            if frame.kind == frames.BATCH:
                self._last = _batch_of(frame)
                return self._last
            if frame.kind == frames.SCORE:
                self._answer(frame)
            elif frame.kind == frames.END:
                self._ended = True
            else:
                raise ProtocolError(f"expected a batch, a request for scores or the end, got kind {frame.kind}")
        raise StopIteration

    def close(self) -> None:
        """Says that no more is wanted. The step on the last batch counts as taken."""
        if self._sink is None:
            return
        try:
            if not self._ended:
                self._finish_last()
                self._sink.sendall(frames.encode(frames.BYE, {}))
                self._sink.shutdown(socket.SHUT_WR)
                while not self._ended and (frame := self._read()) is not None:
                    self._ended = frame.kind == frames.END
        except OSError:
            pass  # the server has gone first
        finally:
            self._ended = True
            self._sink.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is None:
            self.close()
        elif self._sink is not None:
            self._sink.close()  # a trainer that failed has not done with its batch: another may take it up

    def _read(self) -> Optional[Frame]:
        frame = frames.read_frame(self._source)
        if frame is not None and frame.kind == frames.ERROR:
            self._ended = True
            raise StreamError(frame.header.get("code", "ERR_CONSUMER"), frame.header.get("message", "no reason given"))
        return frame

    def _finish_last(self) -> None:
        last, self._last = self._last, None
        if last is None or self._sink is None:
            return
        self._send(frames.encode(frames.DONE, {"batch": last.number}, last._scores or b""))

    def _answer(self, frame: Frame) -> None:
        if self._score is None or self._sink is None:
            raise ProtocolError("the server asks for scores, but no `score` was given")
        presample = Presample(frame.header["ids"], frames.columns_of(frame))
        scores = _floats(self._score(presample), len(presample), "score()")
        self._send(frames.encode(frames.SCORES, {"request": frame.header["request"]}, scores))

    def _send(self, data: bytes) -> None:
        assert self._sink is not None
        try:
            self._sink.sendall(data)
        except OSError:
            # The server says why before it hangs up.
            while self._read() is not None:
                pass
            raise


def connect(
    address: Union[str, "tuple[str, int]"],
    *,
    score: Optional[Scorer] = None,
    reports: bool = False,
    credit: int = 2,
    token: str = "",
    timeout: Optional[float] = 30.0,
) -> Stream:
    """Connects to `taustream stream FILE --socket PATH` (a path) or `--port N` (a host and port).

    score    scores a presample, one number of at least 0 a sample: the batches are then drawn by it
    reports  whether batches are drawn by what `batch.report` said of their samples earlier
    credit   batches held at a time; 1 is lockstep, where every score is as new as can be
    timeout  seconds to wait for the connection; none afterwards
    """
    if score is not None and reports:
        raise ValueError("connect(): expected `score` or `reports`, got both: choose one")
    link = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM)
    try:
        link.settimeout(timeout)
        link.connect(address)
        link.settimeout(None)
        if not isinstance(address, str):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        scores = "presamples" if score is not None else "reports" if reports else "none"
        link.sendall(frames.encode(frames.GREETING, {"token": token, "scores": scores, "credit": credit}))
        return Stream(socket.SocketIO(link, "r"), link, score)
    except BaseException:
        link.close()
        raise


def read(stream: BinaryIO = sys.stdin.buffer) -> Stream:
    """Reads `taustream stream FILE` from a pipe or file. All batches are uniform: nothing goes back."""
    return Stream(frames.raw(stream))


def _batch_of(frame: Frame) -> Batch:
    columns = frames.columns_of(frame)
    weights = columns.pop("weights")
    header = frame.header
    return Batch(header["ids"], columns, header["batch"], header["phase"], header["tau"], header["version"], weights)


def _floats(scores: ArrayLike, size: int, where: str) -> bytes:
    values = np.ascontiguousarray(scores, dtype="<f4")
    if values.shape != (size,):
        raise ValueError(f"{where}: expected {size} scores, one a sample, got an array of shape {values.shape}")
    if not np.all(np.isfinite(values)) or np.any(values < 0):
        raise ValueError(f"{where}: expected finite scores of at least 0, got {values[~(values >= 0)][:5]}")
    return values.tobytes()
