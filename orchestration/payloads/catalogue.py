"""Models that can be pulled, on the wire."""

from typing_extensions import TypedDict


class TagRow(TypedDict):
    """One that can be pulled. ``words``: ``✓ downloaded (5.2 GB)`` or ``⬇ downloadable (5.2 GB)``, without the size
    where nobody told it. ``parameter_size`` counts parameters and says nothing of bytes."""

    name: str
    tag: str
    size_bytes: int | None
    parameter_size: str
    installed_on: list[str]
    words: str


class CatalogueRow(TypedDict):
    name: str
    description: str
    capabilities: list[str]
    downloaded: bool
    tags: list[TagRow]


class CataloguePayload(TypedDict):
    """``source``: bundled, or library once that answered; ``error``: why it did not the last time."""

    models: list[CatalogueRow]
    source: str
    fetched_at: str | None
    tried_at: str | None
    error: str


def tag_words(size_bytes: int | None, *, downloaded: bool) -> str:
    size = f" ({size_words(size_bytes)})" if size_bytes else ""
    return f"✓ downloaded{size}" if downloaded else f"⬇ downloadable{size}"


def size_words(size_bytes: int) -> str:
    """As the library writes sizes: thousands, not 1,024s."""
    for unit, of in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size_bytes >= of:
            number = size_bytes / of
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{size_bytes / 1000:.0f} KB"
