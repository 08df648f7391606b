"""What every mapping of a scenario has in common."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from meshsim.scenario.load import Serve, Workload
from meshsim.scenario.node import rejoin_parentheses
from meshsim.scenario.timeline import Scaled
from meshsim.units import Family


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Serve.model_validate({"tme": "5ms"})


def test_nothing_is_converted_in_silence() -> None:
    for value in ("8", True, 8.0):
        with pytest.raises(ValidationError):
            Serve.model_validate({"concurrency": value})


def test_a_distribution_in_a_flow_mapping_needs_no_quotes() -> None:
    # What YAML makes of {time: lognormal(8ms, 1.4), concurrency: 8}
    serve = Serve.model_validate({"time": "lognormal(8ms", "1.4)": None, "concurrency": 8})
    assert serve.time is not None
    assert (serve.time.family, serve.time.factor) == (Family.LOGNORMAL, 1.4)
    assert serve.concurrency == 8


def test_rejoining_touches_nothing_else() -> None:
    plain = {"time": "5ms", "style": None}
    assert rejoin_parentheses(plain) is plain
    assert rejoin_parentheses({"a": "f(1", "2": None, "3)": None, "b": "g(4)"}) == {"a": "f(1, 2, 3)", "b": "g(4)"}


def test_exactly_one_names_what_is_missing_or_too_much() -> None:
    with pytest.raises(ValidationError, match="needs one of 'deployment' or 'statefulset'"):
        Scaled.model_validate({"replicas": 1})
    with pytest.raises(ValidationError, match="not 'deployment' and 'statefulset'"):
        Scaled.model_validate({"replicas": 1, "deployment": "a", "statefulset": "b"})


def test_labels_are_text() -> None:
    with pytest.raises(ValidationError, match="expected text for 'version', got 1"):
        Workload.model_validate({"match": {"version": 1}})


def test_overrides_are_what_the_file_gives() -> None:
    assert Serve.model_validate({"concurrency": 3}).overrides() == {"concurrency": 3}


def test_a_key_without_a_value_is_not_given() -> None:
    assert Serve.model_validate({"time": None, "concurrency": 2}).overrides() == {"concurrency": 2}
    with pytest.raises(ValidationError, match="extra"):
        Serve.model_validate({"tme": None})
    with pytest.raises(ValidationError, match="needs one of"):
        Scaled.model_validate({"replicas": 1, "deployment": None})
