"""What decoders remember must not outlive a mistake that a test plants in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def forget() -> None:
    """Have everything decoded again."""
    for name, module in list(sys.modules.items()):
        if name.startswith("meshsim.dataplane.decide"):
            for function in vars(module).values():
                if hasattr(function, "cache_clear"):
                    function.cache_clear()


@contextmanager
def nothing_remembered() -> Iterator[None]:
    """Nothing of before is known inside, and nothing of it afterwards."""
    forget()
    try:
        yield
    finally:
        forget()
