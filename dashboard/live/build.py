"""Which version of the pages' code this process serves, so that an open tab can tell that it is out of date."""

import hashlib
from functools import cache

from django.conf import settings

SUFFIXES = frozenset({".js", ".css", ".html"})


@cache
def build_id() -> str:
    """The same on every machine that serves the same files."""
    digest = hashlib.sha256()
    for folder in (settings.BASE_DIR / "static", settings.BASE_DIR / "templates"):
        for path in sorted(folder.rglob("*")):
            if path.suffix in SUFFIXES:
                digest.update(path.relative_to(settings.BASE_DIR).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
