"""The pages of the model library read for facts: names, what models can do, tags with sizes. Whatever looks otherwise
than expected is left out, never guessed."""

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Final

from orchestration.policy.catalogue import CatalogueModel, CatalogueTag
from orchestration.policy.model_names import bytes_of, is_parameter_count

MOST_MODELS: Final = 2_000
MOST_TAGS: Final = 500
LONGEST_DESCRIPTION: Final = 500
_CAPABILITIES: Final = frozenset({"tools", "vision", "embedding", "thinking", "audio", "insert", "image"})
_MODEL: Final = re.compile(r"(?:https?://[^/]+)?/library/([a-z0-9][a-z0-9._-]{0,99})/?", re.IGNORECASE)
_TAG: Final = re.compile(
    r"(?:https?://[^/]+)?/library/([a-z0-9][a-z0-9._-]{0,99}):([a-z0-9][a-z0-9._-]{0,79})", re.IGNORECASE
)


@dataclass(slots=True)
class _Found:
    description: str = ""
    capabilities: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)


class _Texts(HTMLParser):
    """Links and texts in the order in which they stand; what scripts and styles say is no text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._silent = 0
        self._paragraph = 0

    def read(self, page: str) -> None:
        """As far as it can be read: Python's parser gives up at some marks that no browser minds."""
        with suppress(AssertionError):
            self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style")
        self._paragraph += tag == "p"
        if tag == "a":
            self.link(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in ("script", "style")))
        self._paragraph = max(0, self._paragraph - (tag == "p"))

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text and not self._silent:
            self.text(text, in_paragraph=bool(self._paragraph))

    def link(self, address: str) -> None:
        raise AssertionError("each page reads links in its own way")

    def text(self, text: str, *, in_paragraph: bool) -> None:
        raise AssertionError("each page reads texts in its own way")


class _Models(_Texts):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, _Found] = {}
        self._at: _Found | None = None

    def link(self, address: str) -> None:
        match = _MODEL.fullmatch(address)
        if match and len(self.found) < MOST_MODELS:
            self._at = self.found.setdefault(match[1].lower(), _Found())
        else:
            self._at = None

    def text(self, text: str, *, in_paragraph: bool) -> None:
        at = self._at
        if at is None:
            return
        if text.lower() in _CAPABILITIES and text.lower() not in at.capabilities:
            at.capabilities.append(text.lower())
        elif is_parameter_count(text) and text.islower() and not in_paragraph:  # 1.2M counts downloads
            at.sizes += [] if text in at.sizes else [text]
        elif in_paragraph and not at.description and len(text) > 20:
            at.description = text[:LONGEST_DESCRIPTION]


class _Tags(_Texts):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.found: dict[str, int | None] = {}
        self._name = name
        self._at = ""

    def link(self, address: str) -> None:
        match = _TAG.fullmatch(address)
        if match is None or match[1].lower() != self._name or len(self.found) >= MOST_TAGS:
            self._at = ""
            return
        self._at = match[2].lower()
        self.found.setdefault(self._at, None)

    def text(self, text: str, *, in_paragraph: bool) -> None:
        """The first size after a tag's link is that tag's, until the next link."""
        for part in re.split(r"\s*[•·|]\s*", text):
            if self._at and self.found[self._at] is None:
                self.found[self._at] = bytes_of(part)


def read_models(page: str) -> list[CatalogueModel]:
    """The list of all models. Their tags are the parameter counts it names, without sizes."""
    parser = _Models()
    parser.read(page)
    return [
        CatalogueModel(
            name=name,
            description=found.description,
            capabilities=tuple(found.capabilities),
            tags=tuple(CatalogueTag(tag=size, parameter_size=size) for size in found.sizes),
        )
        for name, found in parser.found.items()
    ]


def read_tags(page: str, model: CatalogueModel) -> CatalogueModel:
    """The same model with the sizes that its own page tells. Tags of the cloud have none and cannot be pulled."""
    parser = _Tags(model.name)
    parser.read(page)
    sizes = {tag: size for tag, size in parser.found.items() if not tag.endswith("cloud")}
    known = {tag.tag: replace(tag, size_bytes=sizes.get(tag.tag)) for tag in model.tags}
    for tag, size in sizes.items():
        known.setdefault(tag, CatalogueTag(tag=tag, size_bytes=size, parameter_size=_parameters(tag)))
    return replace(model, tags=tuple(known.values()))


def _parameters(tag: str) -> str:
    """``8b`` of ``8b-instruct-q4_K_M``."""
    first = tag.partition("-")[0]
    return first if is_parameter_count(first) else ""
