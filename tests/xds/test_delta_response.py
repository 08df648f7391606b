"""A response as a value says what its message says."""

from __future__ import annotations

import pytest
from google.protobuf import any_pb2
from hypothesis import given
from hypothesis import strategies as st

from meshsim.xds import type_urls
from meshsim.xds.ads_client import AdsClient
from meshsim.xds.bodies import Bodies
from meshsim.xds.client import Applied
from meshsim.xds.delta_response import DeltaResponse, ReceivedBody, decode_response
from meshsim.xds.messages import base_pb2, discovery_pb2

_NAMES = st.sampled_from(["a", "b", "c"])
_BODIES = st.lists(st.builds(ReceivedBody, _NAMES, st.binary(max_size=3)), max_size=4).map(Bodies)
_RESPONSES = st.builds(
    DeltaResponse,
    st.just(type_urls.CLUSTER),
    st.just("n"),
    st.just("v"),
    _BODIES,
    st.lists(_NAMES, max_size=3).map(tuple),
    st.dictionaries(_NAMES, st.sampled_from(["", "1"])),
)


@given(_RESPONSES)
def test_it_survives_the_wire(response: DeltaResponse) -> None:
    again = decode_response(discovery_pb2.DeltaDiscoveryResponse.FromString(response.encode().SerializeToString()))
    assert again.bodies() == response.bodies()
    assert again.removed_resources == response.removed_resources
    assert again.versions == {**dict.fromkeys(response.bodies(), ""), **response.versions}


@given(_RESPONSES)
def test_a_client_reacts_to_the_value_as_to_the_message(response: DeltaResponse) -> None:
    answers = []
    for form in (response, response.encode()):
        seen: list[object] = []

        def apply(*said: object, seen: list[object] = seen) -> Applied:
            seen.append(said)
            return Applied((), (), {}, warming_clusters=False)

        client = AdsClient(base_pb2.Node(id="p"), apply)
        client.on_connected()
        reaction = client.on_response(form)
        answers.append((seen, reaction, client.names(type_urls.CLUSTER)))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("names", "removed", "problem"),
    [
        ("ab", "c", ""),
        ("aba", "", "duplicate name a found among added/updated resources"),
        ("ab", "cb", "duplicate name b found in the union of added+removed resources"),
        ("", "cc", "duplicate name c found in the union of added+removed resources"),
    ],
)
def test_names_that_stand_twice(names: str, removed: str, problem: str) -> None:
    resources = Bodies(ReceivedBody(name, b"") for name in names)
    assert DeltaResponse(type_urls.CLUSTER, "n", "v", resources, tuple(removed)).problem() == problem


def test_a_name_without_resource_has_a_version_alone() -> None:
    message = discovery_pb2.DeltaDiscoveryResponse(
        type_url=type_urls.CLUSTER,
        resources=[
            discovery_pb2.Resource(name="a", version="1"),
            discovery_pb2.Resource(name="b", resource=any_pb2.Any(type_url=type_urls.CLUSTER, value=b"x")),
        ],
    )
    found = decode_response(message)
    assert found.bodies() == {"b": b"x"}
    assert found.versions == {"a": "1", "b": ""}
