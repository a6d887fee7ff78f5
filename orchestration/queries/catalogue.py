"""Models that can be pulled: bundled, refreshed from the library, joined with what is installed."""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path

from orchestration.models import CatalogueEntry, CatalogueState, NodeModel
from orchestration.payloads.base import iso
from orchestration.payloads.catalogue import CataloguePayload, CatalogueRow, TagRow, tag_words
from orchestration.policy.catalogue import CatalogueModel, CatalogueTag, found, from_plain, merged, tag_named
from orchestration.policy.model_names import near_names

_BUNDLED = Path(__file__).resolve().parents[1] / "catalogue.json"


@cache
def bundled() -> tuple[CatalogueModel, ...]:
    return tuple(from_plain(row) for row in json.loads(_BUNDLED.read_text(encoding="utf-8")))


def models() -> list[CatalogueModel]:
    fields = ("name", "description", "capabilities", "tags")
    return merged(bundled(), (from_plain(row) for row in CatalogueEntry.objects.values(*fields)))


def size_of(name: str) -> int | None:
    """The bytes of a download, where the catalogue knows them."""
    tag = tag_named(models(), name)
    return tag.size_bytes if tag else None


def near(name: str, *, most: int = 3) -> list[str]:
    """Names that can be pulled and are like this one."""
    return near_names(name, [full for model in models() for full in model.full_names()], most=most)


def listing(*, words: str = "") -> CataloguePayload:
    """All of it, or what the words find. What is installed with a tag that no catalogue names comes with its model."""
    places, installed_bytes = _installed()
    state = CatalogueState.objects.first() or CatalogueState()
    rows = [_row(model, places, installed_bytes) for model in found(models(), words)]
    return CataloguePayload(
        models=rows,
        source="library" if state.fetched_at else "bundled",
        fetched_at=iso(state.fetched_at),
        tried_at=iso(state.tried_at),
        error=state.error,
    )


def _installed() -> tuple[dict[str, list[str]], dict[str, int]]:
    places: dict[str, list[str]] = defaultdict(list)
    sizes: dict[str, int] = {}
    rows = NodeModel.objects.filter(installed=True).order_by("node__name")
    for name, node, size in rows.values_list("model__name", "node__name", "size_bytes"):
        places[name].append(node)
        sizes[name] = max(size, sizes.get(name, 0))
    return places, sizes


def _row(model: CatalogueModel, places: dict[str, list[str]], sizes: dict[str, int]) -> CatalogueRow:
    known = {f"{model.name}:{tag.tag}" for tag in model.tags}
    more = sorted(name for name in places if name.startswith(f"{model.name}:") and name not in known)
    others = [CatalogueTag(tag=name.removeprefix(f"{model.name}:")) for name in more]
    tags = [_tag(model.name, tag, places, sizes) for tag in (*model.tags, *others)]
    return CatalogueRow(
        name=model.name,
        description=model.description,
        capabilities=list(model.capabilities),
        downloaded=any(tag["installed_on"] for tag in tags),
        tags=tags,
    )


def _tag(base: str, tag: CatalogueTag, places: dict[str, list[str]], sizes: dict[str, int]) -> TagRow:
    name = f"{base}:{tag.tag}"
    size = sizes.get(name) or tag.size_bytes
    on = list(places.get(name, ()))
    return TagRow(
        name=name,
        tag=tag.tag,
        size_bytes=size,
        parameter_size=tag.parameter_size,
        installed_on=on,
        words=tag_words(size, downloaded=bool(on)),
    )
