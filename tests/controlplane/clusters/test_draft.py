from __future__ import annotations

from meshsim.controlplane.clusters.draft import HTTP_OPTIONS, Cluster, ClusterDraft, HttpProtocolOptions, to_resource


def _options(cluster: Cluster) -> HttpProtocolOptions:
    found = HttpProtocolOptions()
    cluster.typed_extension_protocol_options[HTTP_OPTIONS].Unpack(found)
    return found


def test_without_options_none_are_packed() -> None:
    assert not ClusterDraft(Cluster()).finish().typed_extension_protocol_options


def test_http2() -> None:
    draft = ClusterDraft(Cluster())
    draft.use_http2()
    assert draft.is_http2
    assert _options(draft.finish()).explicit_http_config.HasField("http2_protocol_options")


def test_automatic_sni_keeps_its_protocol() -> None:
    draft = ClusterDraft(Cluster())
    draft.options().upstream_http_protocol_options.auto_sni = True
    draft.use_http2()
    assert not draft.is_http2
    assert _options(draft.finish()).explicit_http_config.HasField("http_protocol_options")


def test_the_protocol_of_the_client_keeps_settings_of_http1() -> None:
    draft = ClusterDraft(Cluster())
    draft.options().explicit_http_config.http_protocol_options.accept_http_10 = True
    draft.use_client_protocol()
    found = _options(draft.finish()).use_downstream_protocol_config
    assert found.http_protocol_options.accept_http_10
    assert found.HasField("http2_protocol_options")


def test_a_resource_is_the_cluster_by_name() -> None:
    draft = ClusterDraft(Cluster(name="c"))
    draft.metadata().update({"a": "b"})
    name, body = to_resource(draft.finish())
    assert name == "c"
    assert Cluster.FromString(body).metadata.filter_metadata["istio"]["a"] == "b"
