from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.model import Registry, Resolution, Service
from meshsim.controlplane.routes.domains import Viewpoint
from meshsim.controlplane.routes.groups import Wanted
from meshsim.controlplane.routes.hosts import HostHead
from meshsim.controlplane.routes.naming import Names, give_names, own_heads, places_by_ending


def service(hostname: str, address: str = "0.0.0.0", **more: Any) -> Service:
    name, _, rest = hostname.partition(".")
    return Service(
        hostname=hostname,
        name=name,
        namespace=rest.partition(".")[0],
        registry=Registry.KUBERNETES,
        resolution=Resolution.CLIENT_SIDE_LB,
        ports=(),
        default_address=address,
        **more,
    )


WEB = service("web.shop.svc.cluster.local", "10.0.0.1")
DB = service("db.bank.svc.cluster.local", "10.0.0.2")


def _named(names: Names) -> dict[str, set[str]]:
    return {host.head.name: set(host.head.domains) for host in names.hosts}


def _viewpoint(namespace: str) -> Viewpoint:
    return Viewpoint(f"{namespace}.svc.cluster.local", GenerationCache())


def test_only_the_own_namespace_says_the_bare_name() -> None:
    wanted = [Wanted(80, WEB), Wanted(80, DB)]
    found = _named(give_names(wanted, _viewpoint("shop"), 80))
    assert "web" in found["web.shop.svc.cluster.local:80"]
    assert "db" not in found["db.bank.svc.cluster.local:80"]


def test_a_name_and_a_domain_stay_with_the_first_who_had_them() -> None:
    other = service("api.shop.svc.cluster.local", "10.0.0.1")
    names = give_names([Wanted(80, WEB), Wanted(80, WEB), Wanted(80, other)], _viewpoint("shop"), 80)
    assert [host.at for host in names.hosts] == [2, 0]
    assert "10.0.0.1" not in _named(names)["api.shop.svc.cluster.local:80"]
    assert [name for name, _ in names.duplicates] == ["web.shop.svc.cluster.local:80", "api.shop.svc.cluster.local:80"]


def test_short_forms_do_not_shadow_a_declared_host() -> None:
    declared = service("web.shop", "10.0.0.3")
    names = _named(give_names([Wanted(80, WEB), Wanted(80, declared)], _viewpoint("bank"), 80))
    assert "web.shop" not in names["web.shop.svc.cluster.local:80"]
    assert "web.shop" in names["web.shop:80"]


def test_a_proxy_listener_needs_ports_except_on_80() -> None:
    found = _named(give_names([Wanted(80, WEB), Wanted(90, DB)], _viewpoint("shop"), 0))
    assert "web.shop.svc.cluster.local" in found["web.shop.svc.cluster.local:80"]
    assert all(":90" in domain for domain in found["db.bank.svc.cluster.local:90"])


def test_where_an_own_name_is_taken_all_are_given_anew() -> None:
    wanted = [Wanted(80, WEB), Wanted(80, "web")]
    here = _viewpoint("shop")
    strangers = give_names(wanted, here.stranger, 80)
    assert own_heads(strangers, wanted, [0], here, 80) is None
    assert own_heads(strangers, wanted, [0], here, 0) is None


_HOSTS = st.sampled_from(
    [
        *(f"{name}.{namespace}.svc.cluster.local" for name in ("a", "b", "A") for namespace in ("x", "y")),
        "a",
        "a.x",
        "a.x.svc",
        "b.y.svc.cluster.local",
        "a.example.com",
        "*.y.svc.cluster.local",
        "deep.a.x.svc.cluster.local",
    ]
)
_SERVICES = st.builds(
    service,
    _HOSTS,
    st.sampled_from(["0.0.0.0", "10.0.0.1", "10.0.0.2"]),
    aliases=st.lists(_HOSTS, max_size=1).map(tuple),
)
_WANTED = st.builds(Wanted, st.sampled_from([80, 90]), st.one_of(_SERVICES, _HOSTS))


@given(st.lists(_WANTED, max_size=6), st.sampled_from(["x", "y", "z"]))
def test_names_made_of_a_strangers_are_those_given_anew(wanted: list[Wanted], namespace: str) -> None:
    here = _viewpoint(namespace)
    strangers = give_names(wanted, here.stranger, 80)
    own = places_by_ending(wanted).get(here.own_ending, ())
    assert set(own) == {at for at, i in enumerate(wanted) if isinstance(i.about, Service) and here.is_own(i.about)}
    heads = own_heads(strangers, wanted, own, here, 80)
    anew = give_names(wanted, here, 80)
    if heads is not None:
        made: list[tuple[HostHead, int]] = [(heads.get(host.at, host.head), host.at) for host in strangers.hosts]
        assert made == [(host.head, host.at) for host in anew.hosts]
        assert strangers.duplicates == anew.duplicates
