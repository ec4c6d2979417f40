"""A plugin distribution as pip would install it, on a path of the test's own."""

import sys
import textwrap
from pathlib import Path


def install(
    root: Path, monkeypatch, *, dist: str, module: str, source: str, entry: str, version="1.0"
) -> Path:
    """Put one module and its metadata under ``root`` and ``root`` on the path for this test."""
    (root / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    info = root / f"{dist.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[argus]\n{entry} = {module}\n")
    if str(root) not in sys.path:
        monkeypatch.syspath_prepend(str(root))
    monkeypatch.delitem(sys.modules, module, raising=False)
    return root
