"""Where other devices find this server."""

import ipaddress

import pytest
from aiohttp import web
from backplane.routes._http import enveloped
from backplane.routes.addresses import addresses, announcement, described, interfaces, reachable

KNOWN = [
    ("lo", "127.0.0.1"),
    ("lo", "::1"),
    ("docker0", "172.17.0.1"),
    ("eth0", "10.0.0.7"),
    ("eth0", "fe80::1"),
    ("eth0", "2001:db8::7"),
    ("wlan0", "192.168.1.20"),
    ("wlan0", "169.254.3.3"),
]


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (["0.0.0.0"], ["192.168.1.20", "10.0.0.7", "172.17.0.1"]),
        (["0.0.0.0", "::"], ["192.168.1.20", "10.0.0.7", "2001:db8::7", "172.17.0.1"]),
        (["10.0.0.7"], ["10.0.0.7"]),
        (["127.0.0.1", "::1"], []),
        ([], []),
    ],
)
def test_it_gives_what_leads_here_the_likeliest_first(bound, expected):
    assert [address for _, address in reachable(bound, KNOWN)] == expected


def test_interfaces_are_those_of_this_machine():
    assert all(ipaddress.ip_address(address) for _, address in interfaces())


def test_a_server_without_a_port_is_reached_nowhere():
    assert described(None, "http") == {"port": None, "listens_on": [], "reachable": False, "items": []}


async def test_a_server_on_loopback_says_so(aiohttp_client):
    app = web.Application()
    app.router.add_get("/ext/addresses", enveloped(addresses))
    client = await aiohttp_client(app)
    async with client.get("/ext/addresses") as answer:
        told = await answer.json()
    assert told == {"port": client.port, "listens_on": ["127.0.0.1"], "reachable": False, "items": []}
    async with client.get("/ext/addresses?x=1") as answer:
        assert answer.status == 400


async def test_a_server_on_all_interfaces_names_them(aiohttp_server):
    app = web.Application()
    app.router.add_get("/ext/addresses", enveloped(addresses))
    server = await aiohttp_server(app, host="0.0.0.0")
    told = described(server.port, "https")
    assert told["listens_on"] == ["0.0.0.0"]
    assert [item["address"] for item in told["items"]] == [
        address for _, address in reachable(["0.0.0.0"], interfaces())
    ]
    assert all(item["url"] == f"https://{item['address']}:{server.port}/ext/app/" for item in told["items"])


async def test_the_log_tells_where_the_app_is(aiohttp_server, monkeypatch):
    # the package has a function of the module's name
    monkeypatch.setitem(announcement.__globals__, "interfaces", lambda: KNOWN)
    everywhere = await aiohttp_server(web.Application(), host="0.0.0.0")
    port = everywhere.port
    assert announcement(port, "http") == (
        f"The phone app is at http://192.168.1.20:{port}/ext/app/ or http://10.0.0.7:{port}/ext/app/ "
        f"or http://172.17.0.1:{port}/ext/app/"
    )
    alone = await aiohttp_server(web.Application(), host="127.0.0.1")
    told = announcement(alone.port, "https")
    assert f"https://127.0.0.1:{alone.port}/ext/app/ " in told
    assert "--listen 0.0.0.0" in told
