"""Actions of routes: the shared part is decoded once, and nothing is lost by that."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.rejected import MalformedResourceError, ResourceRejectedError
from meshsim.dataplane.decide.route_actions import decode_forward, decode_redirect
from meshsim.dataplane.decide.route_match import PathKind, RouteMatch
from meshsim.dataplane.decide.routes import Mirror, RetryPolicy
from meshsim.dataplane.decide.uri_template import parse_uri_template
from meshsim.xds.messages import route_components_pb2
from meshsim.xds.packing import from_json

EVERYTHING = RouteMatch(PathKind.PREFIX, "/")
REWRITE = "type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig"


def body(**fields: Any) -> bytes:
    return from_json(fields, route_components_pb2.RouteAction).SerializeToString(deterministic=True)


def decode(match: RouteMatch = EVERYTHING, **fields: Any) -> Any:
    return decode_forward(body(**fields), match, (), None)


def test_actions_that_differ_in_their_cluster_share_the_rest() -> None:
    policy = {"timeout": "3s", "retry_policy": {"num_retries": 4}, "prefix_rewrite": "/x"}
    one, other = (decode(cluster=name, **policy).action for name in ("a", "b" * 200))
    assert (one.clusters.name, other.clusters.name) == ("a", "b" * 200)
    assert one[1:] == other[1:]
    assert (one.timeout, one.path.prefix, one.retry.retries) == (3_000_000_000, "/x", 4)
    again = decode(cluster="c", **policy).action
    assert again.retry is one.retry


def test_what_the_virtual_host_says_counts_where_the_action_says_nothing() -> None:
    retry = decode(cluster="a", retry_policy={"num_retries": 9}).action.retry
    assert isinstance(retry, RetryPolicy)
    mirror = decode(cluster="a", request_mirror_policies=[{"cluster": "m"}]).action.mirrors
    assert isinstance(mirror[0], Mirror)
    bare = decode_forward(body(cluster="a"), EVERYTHING, mirror, retry).action
    assert (bare.retry, bare.mirrors) == (retry, mirror)
    own = body(cluster="a", retry_policy={"num_retries": 1}, request_mirror_policies=[{"cluster": "own"}])
    found = decode_forward(own, EVERYTHING, mirror, retry).action
    assert (found.retry.retries if found.retry else 0, found.mirrors[0].cluster) == (1, "own")


def test_other_ways_to_name_a_cluster() -> None:
    assert decode(cluster_header="X-To").action.clusters.header == "x-to"
    weighted = {"clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 3}]}
    assert decode(weighted_clusters=weighted).action.clusters.total_weight == 4


def test_a_template_rewrite_needs_its_match() -> None:
    policy = {"name": "t", "typed_config": {"@type": REWRITE, "path_template_rewrite": "/y/{a}"}}
    template = parse_uri_template("/x/{a}")
    match = RouteMatch(PathKind.TEMPLATE, template.text, template=template)
    assert decode(match, cluster="a", path_rewrite_policy=policy).action.path.template == "/y/{a}"
    with pytest.raises(ResourceRejectedError, match="without prefix extension"):
        decode(cluster="a", path_rewrite_policy=policy)


def test_broken_constraints_of_both_parts() -> None:
    with pytest.raises(MalformedResourceError, match="cluster_specifier"):
        decode(timeout="1s")
    with pytest.raises(MalformedResourceError, match=r"RouteActionValidationError\.Cluster"):
        decode(cluster="")
    with pytest.raises(MalformedResourceError):
        decode(cluster="a", cluster_not_found_response_code=9)


def test_a_redirect_may_not_rewrite_a_template() -> None:
    message = from_json({"prefix_rewrite": "/x"}, route_components_pb2.RedirectAction)
    assert decode_redirect(message, EVERYTHING).rewrite.prefix == "/x"
    with pytest.raises(ResourceRejectedError, match="path_match_policy"):
        decode_redirect(message, RouteMatch(PathKind.TEMPLATE, "/x"))
