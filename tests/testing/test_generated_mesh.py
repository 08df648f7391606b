from __future__ import annotations

from meshsim.testing.generated_mesh import Generation, generated_mesh


def test_its_size_is_that_of_the_mesh_measured_on_istiod() -> None:
    held = Generation(generated_mesh(100)).first()
    assert len(held) == 200
    first = held[0]
    assert [len(found) for found in (first.clusters, first.assignments, first.listeners, first.routes)] == [
        129,
        125,
        3,
        1,
    ]
    # istiod: 140 kB, 52 kB, 16 kB, 48 kB; names and addresses are a little longer or shorter.
    sizes = [
        sum(len(resource.body) for resource in found)
        for found in (first.clusters, first.assignments, first.listeners, first.routes)
    ]
    for size, measured in zip(sizes, (140_000, 52_000, 15_800, 47_600)):
        assert 0.8 < size / measured < 1.2


def _made_by(change: str, services: int) -> int:
    """How many things a change makes anew for the same twenty proxies."""
    running = Generation(generated_mesh(services, 2, 20))
    running.first()
    before = len(running.push.cache)
    if change == "rule":
        running.apply(running.mesh.shift(4, 7))
        running.regenerate()
    else:
        running.apply(running.mesh.endpoints(8, ready=1))
        running.regenerate_endpoints(8)
    return len(running.push.cache) - before


def test_a_change_makes_as_much_anew_in_a_larger_mesh() -> None:
    for change in ("rule", "endpoint"):
        assert _made_by(change, 40) == _made_by(change, 160) > 0


def test_a_change_reaches_what_is_generated() -> None:
    running = Generation(generated_mesh(20, 2, 4))
    before = running.first()
    running.apply(running.mesh.shift(4, 7))
    after = running.first()
    assert [one.routes != other.routes for one, other in zip(before, after)] == [True] * 4
    assert [one.clusters for one in before] == [one.clusters for one in after]
    running.apply(running.mesh.endpoints(8, ready=1))
    last = running.first()
    changed = [
        [a.name for a, b in zip(one.assignments, other.assignments) if a != b] for one, other in zip(after, last)
    ]
    assert changed == [
        ["outbound|8080||svc-8.ns-0.svc.cluster.local", "outbound|8080|v1|svc-8.ns-0.svc.cluster.local"]
    ] * 4 or all("svc-8" in name for names in changed for name in names)
