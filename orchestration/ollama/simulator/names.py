"""Model names: completing, comparing and showing ``[host/][namespace/]model[:tag]``."""

import re
from dataclasses import dataclass, replace
from typing import Self

from .refusal import Refusal

_HOST = "registry.ollama.ai"
_NAMESPACE = "library"
_PARTS = {
    "host": re.compile(r"[A-Za-z0-9_][\w.:-]{0,349}"),
    "namespace": re.compile(r"[A-Za-z0-9_][\w-]{0,79}"),
    "model": re.compile(r"[A-Za-z0-9_][\w.-]{0,79}"),
    "tag": re.compile(r"[A-Za-z0-9_][\w.-]{0,79}"),
}


@dataclass(frozen=True, slots=True)
class ModelName:
    model: str
    tag: str = "latest"
    namespace: str = _NAMESPACE
    host: str = _HOST

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for a name that is syntactically bad."""
        path, _, _digest = text.removeprefix("https://").removeprefix("http://").partition("@")
        head, slash, last = path.rpartition("/")
        model, colon, tag = last.partition(":")
        places = head.split("/") if slash else []
        if len(places) > 2 or (colon and not tag):
            return None
        name = cls(
            model=model,
            tag=tag or "latest",
            namespace=places[-1] if places else _NAMESPACE,
            host=places[0] if len(places) == 2 else _HOST,
        )
        return name if name._is_valid() else None

    def _is_valid(self) -> bool:
        return all(pattern.fullmatch(getattr(self, part)) for part, pattern in _PARTS.items())

    @property
    def key(self) -> str:
        return self.full.lower()

    @property
    def full(self) -> str:
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def display(self) -> str:
        shown = f"{self.model}:{self.tag}"
        if self.host != _HOST:
            return f"{self.host}/{self.namespace}/{shown}"
        return shown if self.namespace == _NAMESPACE else f"{self.namespace}/{shown}"

    def tagged(self, tag: str) -> Self:
        return replace(self, tag=tag)


def without_source(text: str) -> tuple[str, str]:
    """Split the suffix that forces the cloud or this machine: ``("name:tag", "cloud" | "local" | "")``."""
    base, tag = _split_tag(text)
    inner = _split_tag(base)[1]
    if (tag == "local" and (inner == "cloud" or inner.endswith("-cloud"))) or (tag == "cloud" and inner == "local"):
        raise Refusal(400, f'use either :local or :cloud, not both: "{text}"')
    if tag in ("local", "cloud"):
        return base, tag
    return text, "cloud" if tag.endswith("-cloud") else ""


def _split_tag(text: str) -> tuple[str, str]:
    if ":" not in text.rpartition("/")[2]:
        return text, ""
    base, _, tag = text.rpartition(":")
    return base, tag
