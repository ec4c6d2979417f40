"""Which settings make another account, and which only another use of the same one."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Field, SecretBytes, SecretStr

from argus_core import Settings
from argus_core.routing.quota.identity import identity_of


class Limits(BaseModel):
    a_day: int = 1


class Login(BaseModel):
    user: str
    password: SecretStr


class Account(Settings):
    token: SecretStr = SecretStr("one")
    raw: SecretBytes = SecretBytes(b"one")
    user: str | None = None
    endpoint: AnyUrl = AnyUrl("https://a.example")
    logins: tuple[Login, ...] = ()
    calls_per_day: Annotated[int | None, Field(ge=1)] = None
    fast: bool = False
    how: Literal["x", "y"] = "x"
    other: Literal["x", "y"] | None = None
    place: Path = Path("here")
    interfaces: Annotated[dict[str, Limits], Field(default_factory=dict)]


def of(plugin="p", **changes):
    return identity_of(plugin, Account.model_validate(changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"token": "two"},
        {"raw": b"two"},
        {"user": "x"},
        {"endpoint": "https://b.example"},
        {"logins": [{"user": "u", "password": "p"}]},
        {"plugin": "q"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_secret_or_text_is_another_account(changes):
    assert of(**changes) != of()


@pytest.mark.parametrize(
    "changes",
    [
        {"calls_per_day": 5},
        {"fast": True},
        {"how": "y"},
        {"other": "y"},
        {"place": "elsewhere"},
        {"interfaces": {"daily": {"a_day": 3}}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_use_is_the_same_account(changes):
    assert of(**changes) == of()


def test_a_source_without_settings_has_an_account_too():
    assert identity_of("p", None) == identity_of("p", None) != identity_of("q", None)


@given(st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=2, unique=True))
def test_no_two_pairs_of_texts_are_taken_for_one(pairs):
    first, second = (of(user=user, token=token) for user, token in pairs)
    assert first != second
