"""What the documentation says is run, not believed."""

import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
from support.process import argus

from argus_core.config import TABLES, Config
from argus_core.environment import variables
from argus_core.gateway import Gateway
from argus_core.hookspecs import PROJECT
from argus_core.plugins import KINDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")
ELSEWHERE = {"write-a-source.md", "write-the-others.md", "recordings.md"}
"""Pages whose snippets test_extend.py and test_recordings.py run, each for what it shows."""


def blocks(language):
    """Every fenced block of a language, with the page it stands on."""
    return [
        pytest.param(page, text, id=f"{page.relative_to(ROOT)}:{text[:30].strip()}")
        for page in PAGES
        for found, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if found == language
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_table_and_variable_of_the_configuration_is_on_its_page():
    page = (ROOT / "docs/operate/plugins-toml.md").read_text(encoding="utf-8")
    assert {name for name in TABLES if f"\n## [{name}" not in page} == set()
    assert {one.name for one in variables() if f"| `{one.name}` |" not in page} == set()


def test_generated_pages_are_up_to_date():
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_hook_and_method_stands_in_the_reference():
    page = (ROOT / "docs" / "extend" / "hooks.md").read_text(encoding="utf-8")
    for kind, base in KINDS.items():
        assert f"## register_{kind}() -> type[{base.__name__}]" in page
        for name, member in vars(base).items():
            if callable(member) and not name.startswith("_") and name != "Settings":
                assert f" {name}(" in page, f"{base.__name__}.{name}"


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_toml_is_valid_and_tables_of_argus_are_accepted(page, text):
    table = tomllib.loads(text)
    if "project" in table:
        assert PROJECT in table["project"]["entry-points"]
        return
    Config.parse(table, {}, where=str(page))


def test_the_shipped_plugins_toml_works_as_it_is():
    gateway = Gateway(Config.load(ROOT / "plugins.toml", {}))
    assert [status.name for status in gateway.sources()] == ["demo"]


def test_its_commented_tables_are_right_too(tmp_path):
    text = (ROOT / "plugins.toml").read_text(encoding="utf-8")
    text = re.sub(r"^# (?=[\[a-z]\S* ?=|\[)", "", text, flags=re.MULTILINE)
    text = text.replace('default = ["demo"]', 'default = ["tushares"]')
    text = text.replace('plugins = ["open"]            # everybody on this machine\n', "")
    text = text.replace("/run/secrets/tushare_b", str(tmp_path / "token"))
    (tmp_path / "token").write_text("token-b")
    path = tmp_path / "plugins.toml"
    path.write_text(text, encoding="utf-8")
    config = Config.load(path, {"TUSHARE_TOKEN": "token-a", "RQDATA_PASSWORD": "x"})
    assert set(config.enabled) == {"demo", "tushare", "qmt", "rq", "tushare_b"}
    assert config.auth.plugins == ("api_key",)
    assert config.pools["tushares"].balancer == "least_connections"
    Gateway(config)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The server that the first steps start."""
    with argus(tmp_path_factory.mktemp("demo"), "demo") as server:
        yield server


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_python_snippets(page, text, request):
    if page.name in ELSEWHERE:
        return
    if "urllib.request" in text:
        namespace = {}
        url = request.getfixturevalue("demo").url
        exec(text.replace("http://127.0.0.1:8001", url), namespace)
        assert namespace["frame"].height > 50
        return
    if "Conformance)" in text:
        # That such classes hold is shown where real plugins stand in their place: conformance/.
        namespace = {}
        exec(text, namespace)
        assert namespace["TestSina"].plugin == "sina"
        return
    assert "class Mine(" in text, "nobody runs this snippet: say here how"
    exec(text, {})


def curls():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [shlex.split(line)[1] for line in text.splitlines() if line.startswith("curl ")]


def test_the_curl_lines_of_the_readme_work(demo):
    urls = curls()
    assert len(urls) >= 4
    for url in urls:
        answer = demo.get(url.removeprefix("http://127.0.0.1:8001"))
        assert answer.status_code == 200, url
        assert answer.headers["X-Argus-Simulated"] == "true"
        assert answer.json()["data"]


def test_the_chinese_readme_has_the_same_commands():
    english, chinese = (
        dict.fromkeys(t for n, t in BLOCK.findall((ROOT / name).read_text("utf-8")) if n == "bash")
        for name in ("README.md", "README.zh-CN.md")
    )
    commands = [text for text in english if "pip install" in text or "pytest" in text]
    assert len(commands) == 2
    assert all(text in chinese for text in commands)


def test_snippets_are_indented_as_python_wants(tmp_path):
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if language == "python":
                compile(textwrap.dedent(text), str(page), "exec")
