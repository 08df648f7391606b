"""Records are flat tuples of numbers and texts, so that a recording can store each as a row."""

from __future__ import annotations

import inspect

from meshsim.trace import records


def test_every_record_type_has_a_time_or_a_start() -> None:
    types = [
        cls
        for _, cls in inspect.getmembers(records, inspect.isclass)
        if issubclass(cls, tuple) and cls.__module__ == records.__name__
    ]
    assert len(types) == 8
    for cls in types:
        fields = cls.__annotations__
        assert {"time", "first_change"} & fields.keys(), cls
