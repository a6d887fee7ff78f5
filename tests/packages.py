"""Packages with entry points, put where Python looks for them, as pip would leave them there."""

import itertools
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration.extensions import registry

_numbers = itertools.count()


class Packages:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, source: str, *, package: str = "acme-extras", **groups: dict[str, str]) -> str:
        """A package with one module; ``task_types={"count": "Count"}`` names what in it. Gives the module's name."""
        module = f"acme_{next(_numbers)}"
        (self._folder / f"{module}.py").write_text(textwrap.dedent(source))
        info = self._folder / f"{package.replace('-', '_')}_{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [
            line
            for group, names in groups.items()
            for line in (f"[drover.{group}]", *(f"{name} = {module}:{target}" for name, target in names.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        forget()
        return module


def forget() -> None:
    registry._entries.cache_clear()
    registry._loaded.clear()


@contextmanager
def installed_in(folder: Path) -> Iterator[Packages]:
    sys.path.insert(0, str(folder))
    forget()
    try:
        yield Packages(folder)
    finally:
        sys.path.remove(str(folder))
        forget()
