"""Secrets leave the process neither in answers nor in logs."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core.telemetry.redact import LONGEST, MASK, Redactor


@given(
    secret=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=4),
    before=st.text(),
    after=st.text(),
)
def test_a_known_secret_never_survives(secret, before, after):
    assert secret not in Redactor([secret]).text(before + secret + after).replace(MASK, "")


def test_also_in_its_url_form_and_longest_first():
    redactor = Redactor(["a/b+c", "a/b+c=longer"])
    assert redactor.text("x?token=a%2Fb%2Bc&y") == "x?token=***&y"
    assert redactor.text("a/b+c=longer") == MASK


def test_short_secrets_do_not_blot_out_sentences():
    assert Redactor(["a"]).text("an apple") == "an apple"


@pytest.mark.parametrize(
    "text",
    [
        "session 5f3c9d8e7a6b5c4d3e2f1a0b expired",
        "bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
        "login argus_1234abcd_aaaaaaaaaaaaaaaaaaaa refused",
        "cannot reach redis://:hunter2@h:6379/0",
        "cannot reach http://me:hunter2@h/x@y",
    ],
)
def test_what_looks_like_a_token_is_masked_in_foreign_messages(text):
    told = Redactor().foreign(text)
    assert MASK in told
    assert "5f3c9d8e7a6b5c4d3e2f1a0b" not in told
    assert "eyJhbGciOiJIUzI1NiJ9" not in told
    assert "hunter2" not in told


def test_plain_words_stay_and_long_ones_are_cut():
    sentence = "no answer within 1.5 s from 2024-03-15T10:00:00+08:00 for 600519.SH"
    assert Redactor().foreign(sentence) == sentence
    assert len(Redactor().foreign("x " * 1000)) == LONGEST


def test_a_log_record_is_masked_whole(caplog):
    log = logging.getLogger("test.redact")
    log.addFilter(Redactor(["s3cret-token"]))
    with caplog.at_level(logging.INFO, "test.redact"):
        log.info("asking %s", "http://x/?t=s3cret-token")
        log.info("failed", exc_info=ValueError("s3cret-token is wrong"))
    assert "s3cret-token" not in caplog.text
    assert MASK in caplog.text
