"""How the built-in plugins do under the conformance kit: writes docs/extend/conformance-report.md.

``python tests/verdicts.py`` puts every plugin through the classes in tests/conformance, the
vendors' real packages over stand-ins of their servers. ``--check`` fails if the page says anything
else, or if any check failed.
"""

import importlib
import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from conftest import DEFAULT_DATA  # noqa: E402

from argus_core.testing import PluginConformance, Report  # noqa: E402

PAGE = ROOT / "docs" / "extend" / "conformance-report.md"
DATA = Path(os.environ.get("ARGUS_TEST_DATA", DEFAULT_DATA))
MARKS = {"pass": "yes", "fail": "**NO**", "skip": "–", "exempt": "exempt"}
INTRO = """# Conformance report

`python tests/verdicts.py` puts every built-in plugin through the [conformance kit](conformance.md),
the vendors' own packages over stand-ins of their servers, and writes this page. *yes*: the check
passed; –: it does not apply, or what it needs was not there, for the reason below the table.
Exempt checks would stand here with their reasons; there are {exempt}.
"""


def reports() -> list[tuple[str, Report]]:
    """The report of each class in tests/conformance, under the plugin's name."""
    found = []
    for path in sorted((ROOT / "tests" / "conformance").glob("test_*.py")):
        module = importlib.import_module(f"tests.conformance.{path.stem}")
        for name, cls in vars(module).items():
            ours = isinstance(cls, type) and issubclass(cls, PluginConformance)
            if ours and name.startswith("Test") and cls.__module__ == module.__name__:
                print(name, flush=True)  # noqa: T201
                found.append((name.removeprefix("Test"), cls.report()))
    return found


def page(found: list[tuple[str, Report]]) -> str:
    """The page in Markdown: one table for each kind of plugin."""
    exempt = sum(len(report.exempt) for _, report in found)
    lines = [INTRO.format(exempt=exempt or "none")]
    groups: dict[tuple[str, ...], list[tuple[str, Report]]] = {}
    for name, report in found:
        groups.setdefault(tuple(row.id for row in report.rows), []).append((name, report))
    for members in groups.values():
        kind = members[0][1].kind
        stream = " (pushes)" if any(r.id.startswith("STR") for r in members[0][1].rows) else ""
        lines += [f"## {kind}{stream}", "", _row("check", "demand", *(name for name, _ in members))]
        lines.append("|" + "---|" * (len(members) + 2))
        for number, row in enumerate(members[0][1].rows):
            marks = [MARKS[report.rows[number].verdict] for _, report in members]
            lines.append(_row(row.id, row.demand, *marks))
        lines.append("")
        for name, report in members:
            for row in report.rows:
                if row.verdict != "pass":
                    lines.append(f"- {name} {row.id}, {row.verdict}: {row.why}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Write the page, or compare it; 1 if a check failed or the page is out of date."""
    if not DATA.is_dir():
        print(f"recorded market data are absent, nothing was run (looked in {DATA})")  # noqa: T201
        return 0
    warnings.simplefilter("ignore", ResourceWarning)
    found = reports()
    failed = [f"{name} {row.id}: {row.why}" for name, report in found for row in report.failed]
    print("\n".join(failed) or "every check that applies passed")  # noqa: T201
    text = page(found)
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
        return bool(failed)
    if PAGE.read_text(encoding="utf-8") != text:
        print(f"{PAGE} is out of date: run python tests/verdicts.py")  # noqa: T201
        return 1
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
