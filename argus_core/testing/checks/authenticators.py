"""ATH: authenticators.

What people present comes from `credentials`: a mapping with `good` and, as far as they exist,
`wrong`, `expired`, `revoked` (ours, to be refused) and `foreign` (another authenticator's).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from pydantic import SecretStr

from argus_core.errors import BadCredentials
from argus_core.extend.authenticator import Authenticator, Presented, Principal
from argus_core.testing.check import Check, Failed, check, demand, skip
from argus_core.testing.subject import Subject

_SCOPES = frozenset({"data", "manage"})
_REFUSED = ("wrong", "expired", "revoked")
_ODD = (
    *("", " ", "\x00", "null", "é中文🔑", "../../etc/passwd", "' OR 1=1 --", "a.b.c", "Bearer x"),
    "\udcff\ud800",
    "x" * 65536,
)


@check("ATH-01")
async def nothing_presented(subject: Subject) -> None:
    """Whoever presents nothing is nobody of ours: `None`, and the next authenticator is asked.

    One that lets everybody in says `loopback_only = True`, so that Argus serves it to this
    machine alone.
    """
    principal = await _made(subject).authenticate(Presented(client="127.0.0.1"))
    if subject.cls.loopback_only:
        demand(principal is not None, "`loopback_only` says that it lets everybody in")
        return
    demand(
        principal is None,
        "it lets in who presents nothing: return None, or state `loopback_only = True`",
    )


@check("ATH-02")
async def good_credentials(subject: Subject) -> None:
    """Good credentials give a principal with a stable id, and scopes that Argus knows.

    Limits and the audit go by the id. Scopes are `data` and `manage`.
    """
    made, told = _told(subject)
    first, second = [await made.authenticate(told["good"]) for _ in range(2)]
    if first is None or second is None:
        raise Failed("good credentials gave None: it is ours to judge")
    is_one = type(first) is Principal
    demand(is_one, f"it gave a {type(first).__name__}, not a Principal")
    demand(first.id, "the principal has no id")
    demand(first == second, f"the same credentials gave {first.id!r} and {second.id!r}")
    odd = set(first.scopes) - _SCOPES
    demand(not odd, f"the scopes {sorted(odd)} mean nothing to Argus: data, manage")


@check("ATH-03")
async def one_refusal(subject: Subject) -> None:
    """Wrong, expired and revoked are `BadCredentials`, all with the same message.

    A guess must not learn which of them it was. Needs one of them in `credentials`.
    """
    made, told = _told(subject)
    named = [name for name in _REFUSED if name in told]
    if not named:
        skip("`credentials` holds none that are wrong, expired or revoked")
    messages = {await _refusal(made, name, told[name]) for name in named}
    demand(len(messages) == 1, f"the refusals can be told apart: {sorted(messages)}")


@check("ATH-04")
async def foreign_credentials(subject: Subject) -> None:
    """Another authenticator's credentials are `None`: the next one in the list is asked.

    Recognise your own by their form. Needs `foreign` in `credentials`.
    """
    made, told = _told(subject)
    if "foreign" not in told:
        skip("`credentials` holds none that are foreign")
    try:
        principal = await made.authenticate(told["foreign"])
    except BadCredentials:
        raise Failed("it refuses what is another's to judge: return None") from None
    demand(principal is None, "it lets in who shows another's credentials")


@check("ATH-05")
async def odd_credentials(subject: Subject) -> None:
    """Whatever is presented ends in `None` or `BadCredentials`, never in another error.

    Empty, NUL, not ASCII, half a surrogate, 64 kB: all of it comes from the internet.
    """
    made = _made(subject)
    for text in _ODD:
        for presented in (
            Presented(api_key=SecretStr(text)),
            Presented(bearer=SecretStr(text)),
            Presented(api_key=SecretStr(text), bearer=SecretStr(text)),
        ):
            try:
                principal = await made.authenticate(presented)
            except BadCredentials:
                continue
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises is judged here
                raise Failed(f"{text[:20]!r} raised {type(error).__name__}") from None
            let_in = principal is not None and not subject.cls.loopback_only
            demand(not let_in, f"{text[:20]!r} is let in")


@check("ATH-06")
async def kept_secrets(subject: Subject) -> None:
    """What is presented stands in no log, no refusal, no principal and no file of ours.

    Store a hash. Needs `credentials`.
    """
    with _listening() as heard:
        made, told = _told(subject)
        texts = {name: _texts(presented) for name, presented in told.items()}
        said: list[str] = []
        for presented in told.values():
            try:
                said.append(repr(await made.authenticate(presented)))
            except BadCredentials as error:
                said.append(f"{error}")
    files = [p.read_bytes() for p in subject.data_dir.rglob("*") if p.is_file()]
    for name, secrets in texts.items():
        for secret in secrets:
            open_text = any(secret in text for text in (*said, *heard))
            demand(not open_text, f"the {name} credentials stand in a log, a refusal or a repr")
            stored = any(secret.encode() in content for content in files)
            demand(not stored, f"the {name} credentials are stored as they are: store a hash")


@check("ATH-07")
async def many_askers(subject: Subject) -> None:
    """Fifty requests at once, good and bad, are each judged on their own. Needs `credentials`."""
    made, told = _told(subject)
    bad = next((told[name] for name in _REFUSED if name in told), Presented())

    async def admitted(presented: Presented) -> bool:
        try:
            return await made.authenticate(presented) is not None
        except BadCredentials:
            return False

    verdicts = await asyncio.gather(*(admitted(p) for p in [told["good"], bad] * 25))
    demand(all(verdicts[::2]), "among fifty requests at once a good one was refused")
    let_in = any(verdicts[1::2]) and not subject.cls.loopback_only
    demand(not let_in, "among fifty requests at once a bad one was let in")


CHECKS: tuple[Check, ...] = (
    nothing_presented,
    good_credentials,
    one_refusal,
    foreign_credentials,
    odd_credentials,
    kept_secrets,
    many_askers,
)


def _made(subject: Subject) -> Authenticator:
    made: Authenticator = subject.make()
    return made


def _told(subject: Subject) -> tuple[Authenticator, Mapping[str, Presented]]:
    """An authenticator and what people present to it."""
    if subject.credentials is None:
        skip("no credentials were given: override `credentials`")
    made = _made(subject)
    told = subject.credentials(made)
    if "good" not in told:
        skip("`credentials` holds no good ones")
    return made, told


async def _refusal(made: Authenticator, name: str, presented: Presented) -> str:
    try:
        principal = await made.authenticate(presented)
    except BadCredentials as error:
        return error.message
    told = "None, as if it were another's" if principal is None else f"the principal {principal.id}"
    raise Failed(f"{name} credentials gave {told}: raise BadCredentials")


def _texts(presented: Presented) -> list[str]:
    parts = (presented.api_key, presented.bearer)
    texts = [part.get_secret_value() for part in parts if part is not None]
    return [text for text in texts if len(text) >= 8]  # noqa: PLR2004


@contextmanager
def _listening() -> Generator[list[str]]:
    """The texts of all log records meanwhile."""
    texts: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    ear, root = Ear(logging.DEBUG), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield texts
    finally:
        root.setLevel(level)
        root.removeHandler(ear)
