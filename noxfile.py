"""Sessions for developers: `nox` runs lint, types and tests; `nox -s mutants` takes its time."""

import nox

nox.options.sessions = ["lint", "types", "tests"]
PYTHONS = ["3.11", "3.12", "3.13"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The suite on every Python that is installed."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "4", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, and the generated pages of the documentation."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "docs/generate.py", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Both checkers, and mypy as if on Windows."""
    session.install("-e", ".[dev]")
    session.run("mypy")
    session.run("mypy", "--platform", "win32")
    session.run("pyright", "--pythonpath", str(session.virtualenv.bin) + "/python")


@nox.session
def coverage(session: nox.Session) -> None:
    """Line coverage of the core, at least 95 percent."""
    session.install("-e", ".[test]")
    session.run("pytest", "--cov", "--cov-report=term-missing", "--cov-fail-under=95")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Ratios against a bare uvicorn, a clairvoyant cache, polars, one process; 1 if one misses."""
    session.install("-e", ".[test]")
    names = ("latest", "cache_hit", "archive_json", "cache_day", "edges", "autoscale")
    for name in (*names, "streaming", "abuse", "soak"):
        session.run("python", f"benchmarks/{name}.py", success_codes=[0, 1])


@nox.session
def mutants(session: nox.Session) -> None:
    """The mutation score of market, routing and caching, at least 80 percent each."""
    session.install("-e", ".[dev]")
    session.run("python", "tests/mutants.py", *session.posargs)
