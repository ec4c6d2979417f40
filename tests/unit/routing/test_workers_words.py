"""What a worker says reaches the log whole, without secrets, so much a second."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core.routing.workers.words import LONGEST_LINE, Hush, Words


class TestWords:
    SECRET = "tok3n-of-the-vendor"

    @pytest.fixture
    def said(self, caplog):
        caplog.set_level(logging.INFO, "argus.worker.w")
        return lambda: [(r.levelno, r.getMessage()) for r in caplog.records]

    @given(st.integers(1, 18), st.sampled_from(["\n", "\r\n", "\n   ", "\n\t"]))
    def test_a_line_break_hides_no_secret(self, place, line_end):
        split = self.SECRET[:place] + line_end + self.SECRET[place:]
        assert Hush([self.SECRET]).text(f"a {split} b {self.SECRET}") == "a *** b ***"

    def test_short_secrets_and_none_at_all(self):
        assert Hush(["abc", "pass1"]).text("abc pass1 pa\nss1") == "abc *** pa\nss1"
        assert Hush([]).text("abc") == "abc"

    def test_lines_come_whole_however_they_arrive(self, said):
        words = Words("w", [self.SECRET])
        text = f"first\n\nsécond {self.SECRET}\r\nthird".encode()
        for byte in text:
            words.stderr(bytes([byte]))
        words.stderr(b"")
        lines = ["first", "sécond ***", "third"]
        assert said() == [(logging.INFO, line) for line in lines]
        assert words.last == "\n".join(lines)

    def test_bytes_of_another_encoding_and_endless_lines_are_survived(self, said):
        words = Words("w", [])
        words.stderr("中".encode("gbk") + b"\n")
        words.stderr(b"x" * (LONGEST_LINE + 1))
        assert [len(text) for _, text in said()] == [2, LONGEST_LINE + 1]

    def test_a_second_holds_so_many_lines(self, said, monkeypatch):
        now = 100.0
        monkeypatch.setattr("argus_core.routing.workers.words.time.monotonic", lambda: now)
        words = Words("w", [])
        for number in range(250):
            words.record(logging.ERROR, "sdk", str(number))
        assert said()[-1] == (logging.ERROR, "sdk: 199")
        now += 1.0
        words.record(logging.ERROR, "sdk", "later")
        assert said()[-2:] == [
            (logging.WARNING, "50 lines were left out"),
            (logging.ERROR, "sdk: later"),
        ]
