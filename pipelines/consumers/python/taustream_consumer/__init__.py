"""Weighted minibatches of taustream as NumPy arrays.

>>> with connect("batches.sock", score=scores_of) as batches:      # doctest: +SKIP
...     for batch in batches:
...         losses = train_step(batch.x, batch.y, batch.weights)
"""

from .frames import ProtocolError
from .stream import Batch, Presample, Stream, StreamError, connect, read

__all__ = ["Batch", "Presample", "ProtocolError", "Stream", "StreamError", "connect", "read"]
