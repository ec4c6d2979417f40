"""The process of a worker, seen from inside."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from typing import Any, BinaryIO, NoReturn

from argus_core.extend.jobs import Jobs
from argus_core.extend.source import Source
from argus_core.routing.workers import wire
from argus_core.routing.workers.outbox import Outbox
from argus_core.routing.workers.protocol import (
    BEAT,
    CALL,
    DROP,
    JOBS,
    METERS,
    REPORT,
    START,
    STARTS,
    Start,
)
from argus_core.routing.workers.session import Session
from argus_core.routing.workers.wire import Frame

log = logging.getLogger(__name__)

ENDED_ON_REQUEST = 70
"""The exit code of a worker that the gateway told to end."""


def main() -> NoReturn:
    """Serve one source until the pipe to the gateway closes."""
    incoming, outgoing = _taken_over()
    # The pipe decides about this process: a signal to the whole group is the gateway's affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    first = wire.read(incoming)
    if first is None or first.head["is"] != START:
        os._exit(0)
    start: Start = STARTS.decode(first.head["start"])
    outbox = Outbox(start.name, _Pipe(outgoing).write)
    _forward_logs(outbox, start.level)
    threading.Thread(target=outbox.send_on, name="writes", daemon=True).start()
    asyncio.run(_serve(start, incoming, outbox))
    os._exit(0)


def _taken_over() -> tuple[BinaryIO, BinaryIO]:
    """The pipes, moved away from where an SDK's banners and prompts would reach them."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - only there

        for pipe in (incoming, outgoing):
            msvcrt.setmode(pipe, os.O_BINARY)
    return os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")


async def _serve(start: Start, incoming: BinaryIO, outbox: Outbox) -> None:
    session = Session(start, outbox, asyncio.get_running_loop())
    report = _Report(session, start.beat)
    pulse = (session, report, outbox, start)
    threading.Thread(target=report.run, name="reports", daemon=True).start()
    threading.Thread(target=_beat, args=pulse, name="beats", daemon=True).start()
    threading.Thread(target=_read, args=(incoming, session), name="reads", daemon=True).start()
    await asyncio.Event().wait()


def _read(incoming: BinaryIO, session: Session) -> None:
    """Take frames until the gateway closes the pipe, or is gone: then this process ends too."""
    while (frame := wire.read(incoming)) is not None:
        what = frame.head["is"]
        if what == CALL:
            session.begin(frame.head)
        elif what == DROP:
            session.drop(frame.head["number"])
        else:
            # The gateway's patience is at its end: leave behind where every thread stands.
            faulthandler.dump_traceback(all_threads=True)
            os._exit(ENDED_ON_REQUEST)
    os._exit(0)


class _Pipe:
    """The way to the gateway, one frame at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._turn = threading.Lock()

    def write(self, data: bytes) -> None:
        """Send a frame; without a reader this process has no purpose and ends."""
        try:
            with self._turn:
                wire.write(self._stream, data)
        except OSError:
            os._exit(0)


def _beat(session: Session, report: _Report, outbox: Outbox, start: Start) -> None:
    """Send heartbeats, each of which puts the watchdog off.

    The watchdog needs no GIL: where native code holds it for ever, nothing else in this process
    can act, not even on the gateway's death.
    """
    while True:
        faulthandler.dump_traceback_later(start.heartbeat_lost, exit=True)
        lane: Any = getattr(session.source, "jobs", None)
        # A plugin may have put something else in the place of its lane
        jobs = JOBS.encode(lane.status() if isinstance(lane, Jobs) else ())
        told = {"report": report.last, "meters": report.meters}
        outbox.beat(wire.encoded(Frame({"is": BEAT, "jobs": jobs, **told})))
        time.sleep(start.beat)


class _Report:
    """What the source reports, asked in a thread of its own: it may wait for a vendor's lock."""

    def __init__(self, session: Session, pause: float) -> None:
        self._session = session
        self._pause = pause
        self.last: Any = REPORT.encode({})
        self.meters: Any = METERS.encode(())
        self._complained = False

    def run(self) -> None:
        while True:
            source = self._session.source
            if source is not None:
                self.last = _reported(source)
                self.meters = self._metered(source)
            time.sleep(self._pause)

    def _metered(self, source: Source) -> Any:
        try:
            told = METERS.encode(tuple(source.meters()))
            wire.encoded(Frame({"meters": told}))
        except (Exception, SystemExit) as error:
            if not self._complained:
                self._complained = True
                log.warning("%s: its meters cannot be read", source.name, exc_info=error)
            return METERS.encode(())
        return told


def _reported(source: Source) -> Any:
    try:
        told = REPORT.encode(source.report())
        wire.encoded(Frame({"report": told}))  # a text that no JSON can hold would cost a heartbeat
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        return REPORT.encode({"report": f"failed: {type(error).__name__}"})
    return told


class _Forward(logging.Handler):
    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self._outbox = outbox

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - as in any process, a wrong log line stops nobody's call
            self.handleError(record)
            return
        self._outbox.log(record.levelno, record.name, text)


def _forward_logs(outbox: Outbox, level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_Forward(outbox)]
    root.setLevel(level)
