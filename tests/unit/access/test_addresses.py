"""Which addresses are public, compared with the standard library's own idea of it."""

import contextlib
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from backplane.access.addresses import kind_of, literal, parsed
from hypothesis import given
from hypothesis import strategies as st

EDGES = [
    *(
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
    ),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.0.1", "198.18.0.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200"),
    *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1", "100::1"),
    *("2001:db8::1", "2001::1", "2002:7f00:1::", "2002:0808:0808::", "64:ff9b::7f00:1", "64:ff9b:1::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "::8.8.8.8"),
    *("fe80::1%eth0", "2606:4700::1%eth0", "64:ff9b::a9fe:a9fe", "3fff::1", "5f00::1", "4000::1"),
]

ODD = [ip_network(each) for each in ("192.88.99.0/24", "192.0.0.0/24", "168.63.129.16/32")]
"""Global to the standard library, and not to be reached: 6to4 relays, protocol assignments, Azure's own."""


@pytest.mark.parametrize("text", EDGES)
def test_what_is_not_anyone_s_to_reach_is_not_public(text: str):
    assert kind_of(ip_address(text)) != "public"


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
)
def test_what_is_anyone_s_is_public(text: str):
    assert kind_of(ip_address(text)) == "public"


def test_an_address_behind_nat64_is_judged_as_the_one_it_wraps():
    assert kind_of(IPv6Address("64:ff9b::8.8.8.8")) == "public"


@pytest.mark.parametrize(
    "text",
    ["169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "::ffff:169.254.169.254"],
)
def test_metadata_services_are_out_of_reach_even_where_private_networks_are_not(text: str):
    assert kind_of(ip_address(text)) == "never"


@pytest.mark.parametrize("text", ["127.0.0.1", "10.1.2.3", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1"])
def test_loopback_and_private_networks_can_be_allowed(text: str):
    assert kind_of(ip_address(text)) == "private"


@given(st.ip_addresses(v=4) | st.sampled_from([ip_address(each) for each in EDGES if ":" not in each]))
def test_every_ipv4_address_is_public_here_as_in_the_standard_library(address: IPv4Address):
    known = address.is_global and not address.is_multicast and not address.is_reserved
    public = kind_of(address) == "public"
    assert public == (known and not any(address in block for block in ODD))


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_is_public_here_that_is_not_so_in_the_standard_library(address: IPv6Address):
    if kind_of(address) == "public":
        assert address.is_global
        tunnel = address.sixtofour or address.teredo
        assert not any((address.is_multicast, address.is_link_local, tunnel))


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0/96", "64:ff9b::/96"]))
def test_a_wrapped_ipv4_address_is_judged_as_itself(address: IPv4Address, block: str):
    wrapped = IPv6Address(int(IPv6Network(block).network_address) + int(address))
    assert kind_of(wrapped) == kind_of(address)


@given(st.ip_addresses(v=4), st.sampled_from(["::/96", "2002::/16", "2001::/32"]), st.integers(0, 2**32 - 1))
def test_what_wraps_any_ipv4_address_by_tunnel_is_never_reached(address: IPv4Address, block: str, low: int):
    network = IPv6Network(block)
    shift = 128 - network.prefixlen - 32
    wrapped = IPv6Address(int(network.network_address) + (int(address) << shift) + (low if shift else 0))
    assert kind_of(wrapped) == "never" or wrapped == IPv6Address("::1")


LOOPBACKS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
]


@pytest.mark.parametrize("host", [*LOOPBACKS, "127.0.0.1.", "0X7F.0.0.0x1"])
def test_the_loopback_is_recognised_in_every_notation(host: str):
    assert literal(host) == IPv4Address("127.0.0.1")


@pytest.mark.parametrize("host", ["0", "0x", "00", "0.0"])
def test_zero_in_any_form_is_the_unspecified_address(host: str):
    assert literal(host) == IPv4Address("0.0.0.0")


@pytest.mark.parametrize("host", ["example.com", "localhost", "1.2.3.4.example", "a1", "x.0xg", "1.2.3.4x"])
def test_names_are_no_addresses(host: str):
    assert literal(host) is None


@pytest.mark.parametrize(
    "host",
    ["256.1.1.1", "1.2.3.4.5", "4294967296", "09.1.1.1", "a.1", "1..1", "1.2.3.999999", "fe80::x", "1" * 99],
)
def test_what_ends_in_a_number_and_is_no_address_is_an_error(host: str):
    with pytest.raises(ValueError):
        literal(host)


@given(st.ip_addresses())
def test_every_address_reads_as_itself(address: IPv4Address | IPv6Address):
    assert literal(str(address)) == address == parsed(str(address))


@given(st.ip_addresses(v=4))
def test_numbers_of_every_base_read_as_the_address(address: IPv4Address):
    number = int(address)
    assert literal(str(number)) == literal(hex(number)) == literal(f"0{number:o}") == address


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str):
    parsed(text)
    with contextlib.suppress(ValueError):
        literal(text)
