from __future__ import annotations

import pytest

from meshsim.controlplane.yaml_text import read_yaml_mapping
from meshsim.errors import InputError


def test_a_mapping_is_read() -> None:
    assert read_yaml_mapping("concurrency: 2\ntracing: {sampling: 10}") == {
        "concurrency": 2,
        "tracing": {"sampling": 10},
    }
    assert read_yaml_mapping("") == {}


@pytest.mark.parametrize("text", ["a: [", "- a"])
def test_anything_else_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        read_yaml_mapping(text)
