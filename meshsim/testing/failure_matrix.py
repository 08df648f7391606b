"""The whole failure matrix."""

from __future__ import annotations

from typing import Final

from meshsim.testing.failure_local import CODEC, LOCAL
from meshsim.testing.failure_rows import Row
from meshsim.testing.failure_upstream import GRPC, RETRIES, TIMES, UPSTREAM

ROWS: Final[tuple[Row, ...]] = (*LOCAL, *CODEC, *UPSTREAM, *TIMES, *RETRIES, *GRPC)
