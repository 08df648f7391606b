"""Dynamic metadata matchers."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import struct_pb2

from meshsim.dataplane.decide.metadata import decode_metadata_matcher, to_json_value
from meshsim.xds.messages import metadata_matcher_pb2
from meshsim.xds.packing import from_json

LEFT = {"jwt": {"payload": {"iss": "me", "groups": ["a", "b"], "level": 3.0, "admin": True, "none": None}}}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["payload", "iss"], {"string_match": {"exact": "me"}}, True),
        (["payload", "missing"], {"string_match": {"exact": "me"}}, False),
        (["payload", "groups"], {"list_match": {"one_of": {"string_match": {"exact": "b"}}}}, True),
        (["payload", "groups"], {"string_match": {"exact": "b"}}, False),
        (["payload", "level"], {"double_match": {"exact": 3}}, True),
        (["payload", "level"], {"double_match": {"range": {"start": 1, "end": 3}}}, False),
        (["payload", "admin"], {"bool_match": True}, True),
        (["payload", "admin"], {"double_match": {"exact": 1}}, False),
        (["payload", "none"], {"null_match": {}}, True),
        (["payload", "iss"], {"present_match": True}, True),
        (["payload", "missing"], {"present_match": True}, False),
        (
            ["payload", "iss"],
            {"or_match": {"value_matchers": [{"null_match": {}}, {"string_match": {"prefix": "m"}}]}},
            True,
        ),
    ],
)
def test_values(path: list[str], value: dict[str, Any], expected: bool) -> None:
    body = {"filter": "jwt", "path": [{"key": k} for k in path], "value": value}
    matcher = decode_metadata_matcher(from_json(body, metadata_matcher_pb2.MetadataMatcher), [])
    assert matcher.matches(LEFT) is expected
    inverted = decode_metadata_matcher(from_json({**body, "invert": True}, metadata_matcher_pb2.MetadataMatcher), [])
    assert inverted.matches(LEFT) is not expected


def test_protobuf_values_become_plain_ones() -> None:
    struct = struct_pb2.Struct()
    struct.update({"a": [1, "x", None, True], "b": {"c": 2.5}})
    value = to_json_value(struct_pb2.Value(struct_value=struct))
    assert value == {"a": [1.0, "x", None, True], "b": {"c": 2.5}}
