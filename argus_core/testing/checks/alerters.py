"""ALR: alerters."""

from __future__ import annotations

import asyncio
import time

from argus_core.extend.alerter import Alerter
from argus_core.testing.check import Check, Failed, check, demand, skip
from argus_core.testing.exercise import alert, opens
from argus_core.testing.subject import Subject

_PATIENCE = 15.0
_STALL = 0.4
_ODD = ("多行\n文本 🔔", "", "<b>&amp;</b> {curly} %s \\ \"quoted\" 'single'", "x" * 20_000)


@check("ALR-01")
async def delivered(subject: Subject) -> None:
    """`send` returns when the alert is handed over; subject, event and message arrive.

    Give `received`, which tells what the peer has got, to have that judged too.
    """
    async with opens(_made(subject)) as alerter:
        async with asyncio.timeout(_PATIENCE):
            await alerter.send(alert(subject))
        if subject.received is None:
            return
        got = subject.received()
        told = [text for text in got if "conformance" in text and "this is a test" in text]
        demand(told, f"the peer got {got!r}, not the alert's subject and message")


@check("ALR-02")
async def loud_failure(subject: Subject) -> None:
    """A peer that cannot be reached is an error, in seconds: a lost alert must show in the log.

    Fault `disconnect`.
    """
    fault = subject.faults.get("disconnect")
    if fault is None:
        skip("no fault 'disconnect' was given: override `faults`")
    async with opens(_made(subject)) as alerter:
        with fault():
            limit = asyncio.timeout(_PATIENCE)
            try:
                async with limit:
                    await alerter.send(alert(subject))
            except Exception:  # noqa: BLE001 - any error will do, the gateway logs it
                hung = f"it hung for {_PATIENCE:.0f} s: give the call a limit"
                demand(not limit.expired(), hung)
                return
            raise Failed("the peer was gone, and `send` returned as if the alert had arrived")


@check("ALR-03")
async def odd_messages(subject: Subject) -> None:
    """Messages of any kind arrive: several lines, Chinese, mark-up, nothing, 20 000 characters.

    Shorten what is too long for the peer; escape what it would read as commands.
    """
    async with opens(_made(subject)) as alerter:
        for message in _ODD:
            try:
                await alerter.send(alert(subject, message))
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises is judged here
                text = message[:20]
                raise Failed(f"the message {text!r} raised {type(error).__name__}") from None


@check("ALR-04")
async def free_loop_while_sending(subject: Subject) -> None:
    """Sending does not hold up the event loop, and ten alerts at once are sent.

    Await the client, or hand a blocking one to `asyncio.to_thread`. Fault `slow` makes it sharp.
    """
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            longest = max(longest, time.perf_counter() - began)

    async with opens(_made(subject)) as alerter:
        heart = asyncio.ensure_future(beat())
        try:
            await asyncio.sleep(0)
            slow = subject.faults.get("slow")
            if slow is None:
                await _ten(subject, alerter)
            else:
                with slow():
                    await _ten(subject, alerter)
            await asyncio.sleep(0.01)
        finally:
            heart.cancel()
    demand(longest < _STALL, f"sending held up the event loop for {longest:.1f} s")


CHECKS: tuple[Check, ...] = (delivered, loud_failure, odd_messages, free_loop_while_sending)


def _made(subject: Subject) -> Alerter:
    made: Alerter = subject.make()
    return made


async def _ten(subject: Subject, alerter: Alerter) -> None:
    await asyncio.gather(*(alerter.send(alert(subject, f"number {n}")) for n in range(10)))
