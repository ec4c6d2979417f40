"""The kit as test classes, as an option of pytest, and as a report."""

import json
import os
import subprocess
import sys
import unittest
from datetime import UTC, datetime

import pytest
from broken import good
from support.distribution import install

from argus_core import Balancer, PluginError, Source
from argus_core.errors import ConfigError
from argus_core.testing import (
    GROUPS,
    BalancerConformance,
    CacheConformance,
    Check,
    Failed,
    StreamConformance,
    Subject,
    document,
    find,
    run_check,
)
from argus_core.testing.configured import configured

PLUGIN = """
    from argus_core import Balancer, hookimpl


    class First(Balancer):
        def pick(self, candidates):
            return candidates[0]


    @hookimpl
    def register_balancer():
        return First
"""
TESTS = """
    from argus_core.testing import BalancerConformance


    class TestFirst(BalancerConformance):
        plugin = "first"
        exempt = {"BAL-02": "it is a joke", "BAL-05": "the same joke"}
"""


class Good(BalancerConformance):
    plugin = good.GoodBalancer


class Excused(Good):
    exempt = {"BAL-05": "a reason", "PLG-01": "judged elsewhere"}  # noqa: RUF012


class Unexcused(Good):
    exempt = {"BAL-05": " ", "SRC-01": "of another kind", "BAL-99": "does not exist"}  # noqa: RUF012


QUIET = {"PLG-01": "judged elsewhere, and slow"}


class NeedsMore(CacheConformance):
    plugin = good.GoodCache


def test_each_check_is_a_test_named_by_its_number():
    names = {name for name in dir(Good) if name.startswith("test_")}
    wanted = {one.id.replace("-", "_") for group in ("plugin", "balancer") for one in GROUPS[group]}
    assert {"_".join(name.split("_")[1:3]) for name in names} == wanted | {"exemptions"}
    assert Good.test_BAL_05_nobody_starves.__doc__.startswith("Among equal")


def test_a_test_passes_is_skipped_or_exempt():
    Good().test_BAL_05_nobody_starves()
    Excused().test_exemptions()
    with pytest.raises(unittest.SkipTest, match="exempt: a reason"):
        Excused().test_BAL_05_nobody_starves()
    with pytest.raises(unittest.SkipTest, match="no `bound`"):
        NeedsMore().test_CCH_09_kept_bound()


def test_an_exemption_needs_a_reason_and_a_check():
    with pytest.raises(Failed) as caught:
        Unexcused().test_exemptions()
    text = str(caught.value)
    assert "BAL-05 needs a reason" in text
    assert "SRC-01 is no check of a balancer" in text
    assert "BAL-99 is no check" in text


def test_symbols_may_be_spelled_in_any_usual_way():
    class Spelled(Good):
        symbols = ("SH600519", "000001.XSHE")

    assert Spelled().subject().symbols == ("600519.SH", "000001.SZ")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"symbols": "600519.SH"}, 'write symbols = ("600519.SH",)'),
        ({"start": "2024-01-02"}, "write start = date(2024, 1, 2)"),
        ({"end": datetime(2024, 1, 2, tzinfo=UTC)}, "write end = date(2024, 1, 2)"),
    ],
)
def test_an_attribute_of_the_wrong_type_is_named(wrong, told):
    with pytest.raises(PluginError) as caught:
        type("Wrong", (Good,), wrong)().subject()
    assert caught.value.fix.startswith(told)


def test_a_source_that_does_not_push_has_no_stream_to_judge():
    class Silent(StreamConformance):
        plugin = type("Silent", (Source,), {})

    with pytest.raises(unittest.SkipTest, match="does not push"):
        Silent().test_STR_01_first_push()


def test_what_runs_is_started_before_and_stopped_after():
    seen = []

    class Served(Good):
        exempt = QUIET

        @classmethod
        def running(cls):
            from contextlib import contextmanager

            @contextmanager
            def serve():
                seen.append("started")
                yield "a server"
                seen.append("stopped")

            return serve()

        def settings_for(self):
            seen.append(self.vendor)
            return {}

    report = Served.report()
    assert report.ok
    assert seen == ["started", "a server", "stopped"]


def test_a_report_can_be_written_down():
    heard = []
    report = Excused.report(heard.append)
    assert heard == list(report.rows)
    assert report.exempt == Excused.exempt
    assert report.counts()["exempt"] == 2
    told = json.loads(report.to_json())
    assert told["plugin"] == "GoodBalancer"
    assert told["ok"] is True
    assert {row["verdict"] for row in told["rows"]} == {"pass", "skip", "exempt"}
    assert told["fields_seen"] == {}


def test_a_failure_does_not_tell_a_secret():
    async def tells(subject):
        """It tells."""
        raise Failed(f"the token is {subject.model.password.get_secret_value()}")

    subject = Subject(
        plugin="x", kind="cache", cls=good.GoodCache, settings={"password": "s3cret-word"}
    )
    row = run_check(Check("PLG-99", tells), subject)
    assert row.why == "the token is ***"


def test_the_page_names_every_check_with_its_demand():
    page = document()
    for one in (one for checks in GROUPS.values() for one in checks):
        assert f"### {one.id} {one.name}" in page
        assert one.demand.endswith((".", "?"))
        assert f"**{one.demand}**" in page
    assert page.count("### ") == sum(map(len, GROUPS.values()))


def test_numbers_are_unique_and_in_order():
    for checks in GROUPS.values():
        numbers = [one.id for one in checks]
        assert numbers == sorted(set(numbers))


def test_what_is_no_plugin_is_refused_with_what_would_be():
    with pytest.raises(PluginError, match="derive it from one of Source"):
        find(dict)
    with pytest.raises(PluginError, match="installed"):
        find("nobody")
    assert find("round_robin").kind == "balancer"
    assert issubclass(find("weighted").cls, Balancer)


def test_missing_settings_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        configured("tushare")
    assert "give token" in str(caught.value)
    assert "--config" in str(caught.value)


def test_settings_come_from_the_first_table_that_names_the_plugin(tmp_path):
    file = tmp_path / "plugins.toml"
    file.write_text(
        "[sources.a]\nplugin = 'demo'\n[sources.t]\nplugin = 'tushare'\n"
        "token = { env = 'SOME_TOKEN' }\ntimeout = 7\n[caches.l1]\nplugin = 'memory'\nmax_mb = 3\n",
        encoding="utf-8",
    )
    environ = {"SOME_TOKEN": "word-of-the-vendor"}
    tushare = configured("tushare", config=file, symbols=["sh600519"], environ=environ)
    assert tushare.model.timeout == 7
    assert tushare.model.token.get_secret_value() == "word-of-the-vendor"
    assert tushare.symbols == ("600519.SH",)
    assert configured("memory", config=file, environ=environ).model.max_mb == 3
    assert configured("api_key", config=file, environ=environ).kind == "authenticator"


def _pytest(root, *arguments):
    """pytest in a stranger's project, without the plugins of this one."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", *arguments]
    path = os.pathsep.join([str(root), *sys.path])
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    install(
        tmp_path,
        monkeypatch,
        dist="argus-first",
        module="argus_first",
        source=PLUGIN,
        entry="first",
    )
    import textwrap

    (tmp_path / "test_first.py").write_text(textwrap.dedent(TESTS))
    return tmp_path


def test_a_class_of_a_few_lines_in_a_strangers_project_with_plain_pytest(stranger):
    code, told = _pytest(stranger)
    assert code == 0, told
    assert "exempt: it is a joke" in told
    assert "test_BAL_01_one_of_them" in told


def test_no_file_at_all(stranger):
    code, told = _pytest(stranger, "-p", "argus_pytest", "--argus", "first")
    assert code == 1, told
    assert "argus:first::BAL-05 nobody-starves" in told
    assert "in 400 calls b, c, d, e got none of 5 equals" in told
    assert "2 failed" in told
    assert "test_first.py" not in told


def test_a_plugin_that_is_not_there_ends_the_run_with_those_that_are(stranger):
    code, told = _pytest(stranger, "-p", "argus_pytest", "--argus", "nobody")
    assert code == 4
    assert "no plugin named 'nobody'" in told
    assert "round_robin" in told


def test_a_project_without_the_option_is_left_alone(tmp_path):
    (tmp_path / "test_own.py").write_text(
        "import sys\n\ndef test_own():\n    assert 'argus_core' not in sys.modules\n"
    )
    code, told = _pytest(tmp_path, "-p", "argus_pytest")
    assert code == 0, told
