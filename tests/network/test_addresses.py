"""Address allocation repeats itself and moves nobody when something is added."""

from ipaddress import ip_address, ip_network

import pytest

from meshsim.errors import InputError, LimitError
from meshsim.network import Addresses, AddressRanges


def test_each_node_has_its_own_range_and_pods_count_up_in_it() -> None:
    addresses = Addresses()
    assert addresses.pod_range("a") == "10.244.0.0/24"
    assert addresses.pod_range("b") == "10.244.1.0/24"
    assert [addresses.pod_address("a") for _ in range(3)] == ["10.244.0.2", "10.244.0.3", "10.244.0.4"]
    assert addresses.pod_address("b") == "10.244.1.2"


def test_a_released_address_is_used_again_only_after_the_range_went_round() -> None:
    addresses = Addresses(AddressRanges(pods="10.0.0.0/28", node_prefix=28))
    given = [addresses.pod_address("a") for _ in range(13)]
    assert given == [f"10.0.0.{last}" for last in range(2, 15)]
    with pytest.raises(LimitError, match="no pod address"):
        addresses.pod_address("a")
    addresses.release_pod("a", "10.0.0.5")
    addresses.release_pod("a", "10.0.0.3")
    assert addresses.pod_address("a") == "10.0.0.3"
    assert addresses.pod_address("a") == "10.0.0.5"


def test_a_reserved_address_is_never_handed_out() -> None:
    addresses = Addresses()
    addresses.reserve("10.244.0.2")
    assert addresses.pod_address("a") == "10.244.0.3"


def test_a_nodes_own_range_is_respected_and_others_keep_clear_of_it() -> None:
    addresses = Addresses()
    assert addresses.pod_range("a", "10.244.0.0/24") == "10.244.0.0/24"
    assert addresses.pod_range("b") == "10.244.1.0/24"


def test_ranges_grow_when_more_pods_than_a_24_holds_are_wanted() -> None:
    addresses = Addresses(AddressRanges(pods_per_node=400))
    assert addresses.pod_range("a") == "10.244.0.0/23"


def test_service_addresses_depend_on_the_name_alone() -> None:
    one, other = Addresses(), Addresses()
    other.service_address("shop", "added")
    address = one.service_address("shop", "reviews")
    assert other.service_address("shop", "reviews") == address
    assert one.service_address("shop", "reviews") == address
    network = ip_network("10.96.0.0/12")
    assert ip_address(address) in network
    # KEP-3070: the first 256 addresses of a large range are for static requests
    assert int(ip_address(address)) - int(network.network_address) >= 256


def test_a_wanted_service_address_is_taken_or_refused() -> None:
    addresses = Addresses()
    assert addresses.service_address("a", "x", "10.96.0.10") == "10.96.0.10"
    with pytest.raises(InputError, match="is taken by a/x"):
        addresses.service_address("a", "y", "10.96.0.10")
    addresses.release_service("a", "x")
    assert addresses.service_address("a", "y", "10.96.0.10") == "10.96.0.10"


def test_all_addresses_of_a_small_service_range_are_used_before_it_is_full() -> None:
    addresses = Addresses(AddressRanges(services="10.96.0.0/27"))
    given = [addresses.service_address("a", str(n)) for n in range(15)]
    assert len(set(given)) == 15
    with pytest.raises(LimitError, match="no service address"):
        addresses.service_address("a", "more")


def test_a_range_that_is_none_is_an_input_error() -> None:
    with pytest.raises(InputError, match="not an IPv4 range"):
        Addresses(AddressRanges(pods="10.244"))


def test_node_addresses_are_stable() -> None:
    addresses = Addresses()
    assert addresses.node_address("n1") == "172.18.0.2"
    assert addresses.node_address("n2") == "172.18.0.3"
    assert addresses.node_address("n1") == "172.18.0.2"
