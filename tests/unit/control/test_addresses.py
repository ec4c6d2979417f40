"""The door to other hosts: no spelling of a forbidden address gets through."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core.control.addresses import Door, parse_entry, parse_host
from argus_core.errors import BadParameter, ConfigError, Forbidden

WHERE = "plugins.toml"
ALL = ("0.0.0.0/0:1-65535", "[::/0]:1-65535")


def resolving(*addresses):
    async def resolve(_host, _port):
        return addresses

    return resolve


def door(*allow, resolve=None):
    return Door(allow, where=WHERE, resolve=resolve or resolving())


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("agent-1.lan", "agent-1.lan"),
        ("LocalHost", "localhost"),
        ("10.0.0.7", "10.0.0.7"),
        ("[FD00::7]", "fd00::7"),
        ("fd00:0::7", "fd00::7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("行情.example", "xn--feuu39f.example"),
        ("3.example", "3.example"),
    ],
)
def test_a_host_has_one_spelling(text, host):
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        *(
            "http://a",
            "a/b",
            "a?b",
            "a#b",
            "u@a",
            "u:p@a",
            "a:80",
            "a b",
            " a",
            "a\n",
            "a\\b",
            "a%00",
        ),
        *("", ".", "a.", "a..b", "localhost.", "-a", "a-", "a" * 64, ".".join(["a" * 60] * 5)),
        *(
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0177.0.0.1",
            "127.0.0.01",
            "0x",
            "1.2.3.4.",
        ),
        *(
            "１２７.０.０.１",
            "127。0。0。1x.1",
            "a.1",
            "[127.0.0.1]",
            "[a]",
            "[::1",
            "::1]",
            "fe80::1%eth0",
        ),
    ],
)
def test_whatever_else_may_mean_a_host_is_refused(text):
    with pytest.raises(BadParameter):
        parse_host(text)


@pytest.mark.parametrize(
    "entry",
    ["a", "a:", "a:0", "a:65536", "a:x", "a:9-8", ":80", "::1:80", "10.0.0.1/24:80", "http://a:80"],
)
def test_a_bad_line_of_the_list_is_told(entry):
    with pytest.raises(ConfigError, match="allow"):
        parse_entry(entry)
    with pytest.raises(ConfigError) as caught:
        door(entry)
    assert caught.value.where == "plugins.toml, [server_nodes]"
    assert caught.value.fix


async def test_nothing_is_allowed_by_default():
    with pytest.raises(Forbidden, match=r'"10\.0\.0\.7:8001" to `allow` under \[server_nodes\]'):
        await door().address("10.0.0.7", 8001)


async def test_what_is_listed_is_allowed_and_its_neighbours_are_not():
    one = door(
        "10.0.0.0/30:8001-8003", "[fd00::7]:8001", "Agent.lan:8001", resolve=resolving("10.9.9.9")
    )
    assert await one.address("10.0.0.3", 8003) == "10.0.0.3"
    assert await one.address("fd00::7", 8001) == "fd00::7"
    assert await one.address("agent.lan", 8001) == "10.9.9.9"
    for host, port in (
        ("10.0.0.4", 8001),
        ("10.0.0.3", 8004),
        ("fd00::8", 8001),
        ("agent.lan", 8002),
        ("x.agent.lan", 8001),
        ("10.9.9.9", 8001),  # that a listed name leads there does not list it
    ):
        with pytest.raises(Forbidden):
            await one.address(host, port)


async def test_a_wide_network_does_not_open_private_ranges_by_the_way():
    wide = door(*ALL)
    assert await wide.address("93.184.216.34", 80) == "93.184.216.34"
    for host in ("127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1"):
        with pytest.raises(Forbidden):
            await wide.address(host, 80)


FORBIDDEN = [
    *("0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "224.0.0.1"),
    *("255.255.255.255", "::", "fe80::1", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254"),
    *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254"),
]


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_forbidden_addresses_are_refused_even_where_they_are_listed(address):
    host = parse_host(address)
    at = f"[{host}]:80" if ":" in host else f"{host}:80"
    with pytest.raises(Forbidden, match="no node may be there"):
        await door(at).address(host, 80)


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_a_listed_name_that_leads_there_is_refused_too(address):
    for found in ((address,), ("93.184.216.34", address)):
        with pytest.raises(Forbidden, match="no node may be there"):
            await door("evil.example:80", resolve=resolving(*found)).address("evil.example", 80)


async def test_every_lookup_is_judged_anew():
    answers = iter([("93.184.216.34",), ("169.254.169.254",)])

    async def rebinding(_host, _port):
        return next(answers)

    one = door("evil.example:80", resolve=rebinding)
    assert await one.address("evil.example", 80) == "93.184.216.34"
    with pytest.raises(Forbidden):
        await one.address("evil.example", 80)


async def test_a_name_that_does_not_resolve_is_told():
    async def failing(_host, _port):
        raise OSError("no such host")

    with pytest.raises(BadParameter, match="cannot be resolved"):
        await door("a.example:80", resolve=failing).address("a.example", 80)
    with pytest.raises(BadParameter, match="no address"):
        await door("a.example:80").address("a.example", 80)


SPELLINGS = (
    str,
    hex,
    lambda n: oct(n).replace("0o", "0"),
    lambda n: ".".join(hex(b) for b in n.to_bytes(4, "big")),
    lambda n: ".".join(f"0{b:o}" for b in n.to_bytes(4, "big")),
    lambda n: f"{n >> 24}.{n & 0xFFFFFF}",
    lambda n: f"{n >> 24}.{n >> 16 & 0xFF}.{n & 0xFFFF}",
    lambda n: f"{IPv4Address(n)}.",
    lambda n: f"::ffff:{IPv4Address(n)}",
    lambda n: f"[::ffff:{n >> 16:x}:{n & 0xFFFF:x}]",
    lambda n: str(IPv4Address(n)).translate({ord(d): ord(d) + 0xFEE0 for d in "0123456789"}),
    lambda n: str(IPv4Address(n)).replace(".", "。"),
)
PRIVATE = st.sampled_from(
    ["127.0.0.0", "10.0.0.0", "169.254.0.0", "192.168.0.0", "100.100.100.200"]
)


@given(base=PRIVATE, low=st.integers(0, 0xFF), spell=st.sampled_from(SPELLINGS))
async def test_no_spelling_of_an_address_slips_through(base, low, spell):
    number = int(IPv4Address(base)) + (low if base.endswith(".0") else 0)
    try:
        host = parse_host(spell(number))
    except BadParameter:
        return
    assert host == str(IPv4Address(number)), "it is judged as what it is"
    with pytest.raises(Forbidden):
        await door(*ALL).address(host, 80)


@given(text=st.text(max_size=30) | st.from_regex(r"[0-9a-fx.:\[\]%@/]{1,20}", fullmatch=True))
def test_a_host_is_an_address_or_a_plain_name(text):
    try:
        host = parse_host(text)
    except BadParameter:
        return
    assert parse_host(host) == host
    try:
        address = ip_address(host)
    except ValueError:
        assert host.isascii()
        assert not set(host) & set("/\\?#@%:[] ")
        assert not host.endswith(".")
        assert not host.rpartition(".")[2].isdigit()
    else:
        assert not (isinstance(address, IPv6Address) and address.ipv4_mapped)
