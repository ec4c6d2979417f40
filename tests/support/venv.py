"""A virtual environment of a test's own, on top of the one that the tests run in."""

import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from support.process import environment


@dataclass(frozen=True)
class Venv:
    """What this interpreter has installed, and what :meth:`install` adds."""

    python: Path

    @classmethod
    def create(cls, root: Path) -> "Venv":
        """A new one in ``root``; it sees this interpreter's packages and has no pip of its own."""
        venv.create(root, with_pip=False)
        paths = {"base": str(root), "platbase": str(root)}
        own = Path(sysconfig.get_path("purelib", scheme="venv", vars=paths))
        below = sysconfig.get_path("purelib")
        # Not a plain path: the packages below may themselves be installed by .pth files.
        (own / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
        scripts = Path(sysconfig.get_path("scripts", scheme="venv", vars=paths))
        return cls(scripts / ("python.exe" if sys.platform == "win32" else "python"))

    def install(self, *folders: Path) -> None:
        """`pip install -e` of each folder, without asking any package index."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        pip += ["--no-deps", "--no-build-isolation", "--no-index"]
        pip += [word for folder in folders for word in ("-e", str(folder))]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """`python -m …` in a folder, to its end."""
        return subprocess.run(
            [str(self.python), "-m", *arguments],
            cwd=cwd,
            env=environment(PYTHONIOENCODING="utf-8", COLUMNS="200", **more),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
