"""A network namespace whose only way to this one is a cable that can be pulled; Linux and root.

Where the kernel or the machine has not what is needed, :class:`Lacking` says what.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

_NEW_NET = 0x40000000
_OURS, _ITS = "10.213.77.1", "10.213.77.2"


class Lacking(Exception):
    """Something that a fault needs is not to be had here."""


def privileged(*commands: str) -> None:
    """Raises :class:`Lacking` unless this is root on Linux, with these commands."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Lacking("needs root on Linux")
    for command in commands:
        if shutil.which(command) is None:
            raise Lacking(f"needs the command {command}")


@dataclass(frozen=True, slots=True)
class Namespace:
    """The namespace, the address in it, and the cable's two ends."""

    name: str
    address: str
    ours: str
    its: str

    @contextlib.contextmanager
    def unplugged(self) -> Generator[None]:
        """The cable is pulled as long as the context lasts: packets vanish, nobody is told."""
        _ip("-n", self.name, "link", "set", self.its, "down")
        try:
            yield
        finally:
            _ip("-n", self.name, "link", "set", self.its, "up")

    @contextlib.contextmanager
    def losing(self, percent: int) -> Generator[None]:
        """So many packets are lost in either direction. :class:`Lacking` without netem."""
        loss = ("root", "netem", "loss", f"{percent}%")
        run("tc", "qdisc", "add", "dev", self.ours, *loss)
        run("tc", "-n", self.name, "qdisc", "add", "dev", self.its, *loss)
        try:
            yield
        finally:
            run("tc", "qdisc", "del", "dev", self.ours, "root")
            run("tc", "-n", self.name, "qdisc", "del", "dev", self.its, "root")


@contextlib.contextmanager
def namespace() -> Generator[Namespace]:
    """A namespace with a cable to this one. Raises :class:`Lacking`."""
    privileged("ip")
    mark = os.getpid() % 100_000
    made = Namespace(f"argus-{mark}", _ITS, f"argus{mark}a", f"argus{mark}b")
    _ip("netns", "add", made.name)
    try:
        _ip("link", "add", made.ours, "type", "veth", "peer", made.its, "netns", made.name)
        _ip("addr", "add", f"{_OURS}/30", "dev", made.ours)
        _ip("link", "set", made.ours, "up")
        _ip("-n", made.name, "addr", "add", f"{_ITS}/30", "dev", made.its)
        _ip("-n", made.name, "link", "set", made.its, "up")
        _ip("-n", made.name, "link", "set", "lo", "up")
        yield made
    finally:
        # The namespace ends in its own time, and would keep the cable until then.
        _ip("-n", made.name, "link", "del", made.its)
        _ip("netns", "del", made.name)


@contextlib.contextmanager
def entered(name: str) -> Generator[None]:
    """This thread makes its sockets in the namespace as long as the context lasts."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        with Path(f"/var/run/netns/{name}").open("rb") as there:
            _enter(libc, there.fileno())
        try:
            yield
        finally:
            _enter(libc, home.fileno())


def _enter(libc: ctypes.CDLL, descriptor: int) -> None:
    if libc.setns(descriptor, _NEW_NET):
        raise Lacking(os.strerror(ctypes.get_errno()))


def _ip(*arguments: str) -> None:
    run("ip", *arguments)


def run(*command: str) -> None:
    """Run a command to its end. Raises :class:`Lacking` if it fails, with what it says."""
    privileged(command[0])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Lacking(f"{' '.join(command)}: {done.stderr.strip()}")
