"""Rows on their way to a recording beside the run: translated and written by a thread of its own, in order.

Compiled, the event core runs without Python's lock; so does most of what writes columns. A second processor then takes
nearly all of what full rows cost. Nothing of it reaches the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.void]

_AHEAD: Final = 2
"""Batches that may wait: whoever runs ahead of the disk waits for it."""


class RowHand:
    """Hands batches of rows to `write`, one after the other."""

    def __init__(self, write: Callable[[Rows], None]) -> None:
        self._write = write
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rows")
        self._waiting: deque[Future[None]] = deque()

    def add(self, rows: Rows) -> None:
        """Have a batch written; raises what the writing of an earlier one raised."""
        self._waiting.append(self._thread.submit(self._write, rows))
        while len(self._waiting) > _AHEAD:
            self._waiting.popleft().result()

    def finish(self) -> None:
        """Wait until everything is written; raises what that raised."""
        while self._waiting:
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
