"""The door to other hosts: which host and port a pool's node may have, and where that leads.

Whoever may make pools could otherwise have Argus connect to anything that it can reach. So a node
must be on the operator's list, is resolved once, every address that this gives is judged, and the
connection goes to the address that was judged.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from argus_core.errors import BadParameter, ConfigError, Forbidden

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host name, as texts; raises ``OSError``."""

PATIENCE = 5.0
"""Seconds that a name may take to resolve."""

_METADATA = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)
"""Where clouds keep the credentials of their machines."""
_THIS_NETWORK = ip_network("0.0.0.0/8")
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST = 253
_LAST_PORT = 65535


def parse_host(text: str) -> str:
    """A host in its one spelling: an address, or a name in lower-case ASCII.

    Raises :class:`BadParameter` for whatever else may mean a host somewhere: URLs, user names,
    odd spellings of addresses, trailing dots, zones.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if (address := _literal(bare)) is not None:
        if bare != text and address.version == 4:  # noqa: PLR2004 - IPv4
            raise _bad(text, "only IPv6 addresses stand in brackets")
        return str(_unmapped(address))
    if bare != text or "%" in text or ":" in text:
        raise _bad(text, "it is neither a name nor an address; the port stands apart")
    try:
        name = text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise _bad(text, "it is no host name") from None
    labels = name.split(".")
    if len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels):
        raise _bad(text, "give a bare host name without scheme, user, path or trailing dot")
    if _NUMBER.fullmatch(labels[-1]):
        raise _bad(text, "write an IPv4 address as four decimal numbers, such as 10.0.0.7")
    return name


def _literal(text: str) -> Address | None:
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one merely wraps."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _bad(text: str, why: str) -> BadParameter:
    return BadParameter(
        f"host {text[:80]!r} cannot be used: {why}", details={"parameter": "server_nodes.host"}
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the allow-list: a host name, an address or a network, and its ports."""

    target: str | Network
    ports: range

    def allows(self, host: str, port: int) -> bool:
        """True if the entry speaks of this host and port.

        A network that is wider than the private ranges does not open them by the way.
        """
        if port not in self.ports:
            return False
        if isinstance(self.target, str):
            return host == self.target
        address = _literal(host)
        if address is None or address.version != self.target.version:
            return False
        return address in self.target and (address.is_global or not _wide(self.target))


def _wide(network: Network) -> bool:
    """True if part of the network is public."""
    first, last = network.network_address, network.broadcast_address
    return first.is_global or last.is_global or not (network.is_private or network.is_loopback)


def parse_entry(text: str) -> Entry:
    """A line of the allow-list; :class:`ConfigError` says what is wrong with it."""
    head, colon, tail = text.strip().rpartition(":")
    first, _, last = tail.partition("-")
    low, high = _port(first), _port(last or first)
    if not colon or not head or low is None or high is None or high < low:
        raise ConfigError(
            f"allow: {text!r} names no port",
            fix='write "host:8001" or "10.0.0.0/24:8001-8010", IPv6 as "[fd00::7]:8001"',
        )
    ports = range(low, high + 1)
    bare = head[1:-1] if head.startswith("[") and head.endswith("]") else head
    if (":" in bare) != (bare != head):
        raise ConfigError(f"allow: {text!r}: IPv6 stands in brackets", fix='"[fd00::7]:8001"')
    try:
        network = ip_network(bare)
    except ValueError:
        if "/" in bare:
            raise ConfigError(
                f"allow: {bare!r} is no network",
                fix="write its first address, such as 10.0.0.0/24",
            ) from None
    else:
        return Entry(network, ports)
    try:
        return Entry(parse_host(head), ports)
    except BadParameter as error:
        raise ConfigError(f"allow: {error.message}", fix="name a host or an address") from None


def _port(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if 0 < int(text) <= _LAST_PORT else None


class Door:
    """Lets nodes through that are on the list and lead nowhere forbidden."""

    def __init__(self, allow: Sequence[str], *, where: str, resolve: Resolve | None = None) -> None:
        try:
            self._entries = tuple(parse_entry(text) for text in allow)
        except ConfigError as error:
            place = f"{where}, [server_nodes]"
            raise ConfigError(error.message, where=place, fix=error.fix) from None
        self._resolve = resolve or _looked_up

    def check(self, host: str, port: int) -> None:
        """Pass if the list names this host (as :func:`parse_host` gives it) and port.

        Raises :class:`Forbidden`, which names the key to set.
        """
        address = _literal(host)
        if address is not None:
            _refuse_forbidden(address, host)
        if not any(entry.allows(host, port) for entry in self._entries):
            at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            raise Forbidden(
                f"{at} is not on the allow-list of server nodes; its operator can add "
                f'"{at}" to `allow` under [server_nodes] in plugins.toml and reload',
                details={"parameter": "server_nodes", "key": "server_nodes.allow"},
            )

    async def address(self, host: str, port: int) -> str:
        """The address to connect to, judged; raises as :meth:`check` does.

        :class:`BadParameter` where the name cannot be resolved.
        """
        self.check(host, port)
        if _literal(host) is not None:
            return host
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:  # a time-out is an OSError
            raise BadParameter(
                f"the host name {host!r} cannot be resolved: {type(error).__name__}",
                details={"parameter": "server_nodes.host"},
            ) from None
        addresses = [_unmapped(ip_address(text)) for text in found]
        if not addresses:
            raise BadParameter(f"the host name {host!r} has no address")
        for address in addresses:  # all of them: which one would be used is the resolver's whim
            _refuse_forbidden(address, host)
        return str(addresses[0])


async def _looked_up(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[4][0]) for place in found]


def _refuse_forbidden(address: Address, host: str) -> None:
    """Raise :class:`Forbidden` for what nobody may connect to, whatever the list says."""
    for one in (address, *_inside(address)):
        kind = _forbidden(one)
        if kind is not None:
            raise Forbidden(
                f"{host} leads to {address}, {kind}: no node may be there, whatever is allowed",
                details={"parameter": "server_nodes.host"},
            )


def _forbidden(address: Address) -> str | None:
    if address in _METADATA:
        return "the metadata service of a cloud"
    if address.is_unspecified or (address.version == 4 and address in _THIS_NETWORK):  # noqa: PLR2004 - IPv4
        return "an unspecified address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_link_local:
        return "a link-local address"
    if address.version == 4 and address.is_reserved:  # noqa: PLR2004 - IPv4
        return "a reserved address"
    return None


def _inside(address: Address) -> list[IPv4Address]:
    """The IPv4 addresses that a gateway on the way might make of an IPv6 one."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]
