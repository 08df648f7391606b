"""Equal bytes are one resource, and one that was taken under its name once need not be looked at again."""

from __future__ import annotations

import gc

import pytest
from xds_bodies import encode

from meshsim.dataplane.decide.rejected import MalformedResourceError, ResourceRejectedError
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.xds import type_urls

EDS, RDS = type_urls.ENDPOINT, type_urls.ROUTE


def table(name: str, domain: str = "*") -> bytes:
    return encode(RDS, {"name": name, "virtual_hosts": [{"name": "v", "domains": [domain]}]})


def test_equal_bytes_are_decoded_once() -> None:
    cache = ResourceCache()
    first = cache.decode(RDS, table("80"))
    assert cache.decode(RDS, table("80")) is first
    assert cache.decode(RDS, table("80", "a.com")) is not first


def test_what_was_taken_under_its_name_is_known_while_it_is_used() -> None:
    cache = ResourceCache()
    bodies = {name: table(name) for name in ("80", "81")}
    assert cache.known(RDS, bodies) == {"80": None, "81": None}
    first = cache.named(RDS, "80", bodies["80"])
    assert cache.known(RDS, bodies) == {"80": first, "81": None}
    second = cache.named(RDS, "81", bodies["81"])
    assert list(cache.known(RDS, bodies).items()) == [("80", first), ("81", second)]
    assert cache.known(RDS, {"80": table("80", "a.com")}) == {"80": None}
    assert cache.known(EDS, {"80": bodies["80"]}) == {"80": None}
    del second
    gc.collect()
    assert cache.known(RDS, bodies) == {"80": first, "81": None}


def test_under_another_name_it_is_refused_each_time() -> None:
    cache = ResourceCache()
    cache.named(RDS, "80", table("80"))
    for _ in range(2):
        assert cache.known(RDS, {"81": table("80")}) == {"81": None}
        with pytest.raises(ResourceRejectedError, match=r"expecting 81\): 80"):
            cache.named(RDS, "81", table("80"))


def test_what_cannot_be_read_is_malformed_each_time() -> None:
    cache = ResourceCache()
    for _ in range(2):
        assert cache.known(RDS, {"80": b"\x0a\xff"}) == {"80": None}
        with pytest.raises(MalformedResourceError, match="Unable to unpack"):
            cache.named(RDS, "80", b"\x0a\xff")


def test_it_knows_whether_anything_is_not_modelled() -> None:
    cache = ResourceCache()
    cache.decode(RDS, table("80"))
    assert not cache.noted
    check = {"timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1}
    extension = {"name": "of.an.extension"}
    cluster = {"name": "a", "type": "STRICT_DNS", "health_checks": [{**check, "custom_health_check": extension}]}
    assert cache.decode(type_urls.CLUSTER, encode(type_urls.CLUSTER, cluster)).unmodelled
    assert cache.noted
