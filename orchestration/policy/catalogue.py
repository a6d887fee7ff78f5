"""Models that can be pulled: what was bundled, joined with what the library on the network told since."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestration.policy.model_names import base_name, tag_of
from orchestration.policy.routing import full_name


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueTag:
    """``size_bytes`` None: nobody told. ``parameter_size``: 8b counts parameters."""

    tag: str
    size_bytes: int | None = None
    parameter_size: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"tag": self.tag, "size_bytes": self.size_bytes, "parameter_size": self.parameter_size}


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueModel:
    name: str
    description: str = ""
    capabilities: tuple[str, ...] = ()
    tags: tuple[CatalogueTag, ...] = ()

    def full_names(self) -> Iterator[str]:
        return (f"{self.name}:{tag.tag}" for tag in self.tags)


def from_plain(row: Mapping[str, Any]) -> CatalogueModel:
    tags = [
        CatalogueTag(tag=tag["tag"], size_bytes=tag.get("size_bytes"), parameter_size=tag.get("parameter_size", ""))
        for tag in row["tags"]
    ]
    return CatalogueModel(
        name=row["name"],
        description=row.get("description", ""),
        capabilities=tuple(row.get("capabilities", ())),
        tags=tuple(tags),
    )


def merged(bundled: Iterable[CatalogueModel], fetched: Iterable[CatalogueModel]) -> list[CatalogueModel]:
    """By name. What the library told is newer; what it left out stays as it was bundled."""
    models = {model.name: model for model in bundled}
    for model in fetched:
        old = models.get(model.name)
        models[model.name] = _joined(old, model) if old else model
    return [models[name] for name in sorted(models)]


def _joined(old: CatalogueModel, new: CatalogueModel) -> CatalogueModel:
    tags = {tag.tag: tag for tag in old.tags}
    for tag in new.tags:
        known = tags.get(tag.tag)
        if known:
            tag = replace(
                tag,
                size_bytes=known.size_bytes if tag.size_bytes is None else tag.size_bytes,
                parameter_size=tag.parameter_size or known.parameter_size,
            )
        tags[tag.tag] = tag
    return CatalogueModel(
        name=new.name,
        description=new.description or old.description,
        capabilities=new.capabilities or old.capabilities,
        tags=tuple(tags.values()),
    )


def tag_named(models: Sequence[CatalogueModel], name: str) -> CatalogueTag | None:
    full = full_name(name)
    base, tag = base_name(full), tag_of(full)
    return next((one for model in models if model.name == base for one in model.tags if one.tag == tag), None)


def found(models: Iterable[CatalogueModel], words: str) -> list[CatalogueModel]:
    """Those in whose name, description or capabilities each of the words occurs."""
    wanted = words.lower().split()
    texts = ((model, f"{model.name} {model.description} {' '.join(model.capabilities)}".lower()) for model in models)
    return [model for model, text in texts if all(word in text for word in wanted)]
