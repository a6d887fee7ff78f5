"""Installed models: names over manifests over blobs, as on a server's disk."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .catalogue import look_up
from .names import ModelName
from .specs import ModelSpec, NodeSpec
from .stamps import encode

_DAY = 86_400 * 1_000_000_000


def digest_of(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


@dataclass(frozen=True, slots=True)
class Layer:
    kind: str
    digest: str
    size: int

    @property
    def title(self) -> str:
        return f"sha256:{self.digest}"


def text_layer(kind: str, text: str) -> Layer:
    return Layer(kind, digest_of(f"{kind}:{text}"), len(text.encode()))


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """One name on one server. Copies differ in name and time only; with equal ``weights`` they share a runner."""

    name: ModelName
    spec: ModelSpec
    weights: Layer
    modified_ns: int
    parent: str = ""
    system: str = ""
    template: str = ""
    license: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Mapping[str, Any], ...] = ()

    @property
    def layers(self) -> list[Layer]:
        layers = [self.weights]
        texts = {"template": self.template, "license": self.license, "system": self.system}
        layers += [text_layer(kind, text) for kind, text in texts.items() if text]
        if self.parameters:
            layers.append(text_layer("params", encode(dict(self.parameters)).decode()))
        if self.messages:
            layers.append(text_layer("messages", encode(list(self.messages)).decode()))
        return [*layers, text_layer("config", f"{self.spec.family}/{self.spec.quantization}/{self.weights.digest}")]

    @property
    def digest(self) -> str:
        return digest_of("\n".join(f"{layer.kind} {layer.digest}" for layer in self.layers))

    @property
    def size(self) -> int:
        return sum(layer.size for layer in self.layers)

    def details(self, *, extended: bool) -> dict[str, Any]:
        spec = self.spec
        details: dict[str, Any] = {
            "parent_model": self.parent,
            "format": "gguf",
            "family": spec.family,
            "families": [spec.family],
            "parameter_size": spec.parameter_size,
            "quantization_level": spec.quantization,
        }
        if extended:
            details |= {"context_length": spec.context, "embedding_length": spec.embedding_length}
        return details


def installed_from(spec: ModelSpec, name: ModelName, modified_ns: int | None = None) -> InstalledModel:
    return InstalledModel(
        name=name,
        spec=spec,
        weights=Layer("model", digest_of(f"weights of {spec.weights_key}"), spec.size),
        modified_ns=time.time_ns() if modified_ns is None else modified_ns,
        system=spec.system,
        template=spec.template,
        license=spec.license,
        parameters=dict(spec.parameters),
    )


class Registry:
    """What is on the disk of one node."""

    def __init__(self, node: NodeSpec) -> None:
        self._node = node
        self._models: dict[str, InstalledModel] = {}
        self.blobs: dict[str, int] = {}
        self.uploads: dict[str, bytes] = {}
        for age, entry in enumerate(node.models, start=1):
            self.install(self._first_install(entry, age))

    def _first_install(self, entry: str | ModelSpec, age: int) -> InstalledModel:
        text = entry if isinstance(entry, str) else entry.name
        name = ModelName.parse(text)
        spec = entry if isinstance(entry, ModelSpec) else None
        if name is not None and spec is None:
            spec = look_up(name.display, self._node.known)
        if name is None or spec is None:
            raise ValueError(f"no model called {text!r} in the catalogue")
        # Distinct days make the order of the list of models the same in every run.
        return installed_from(spec, name, time.time_ns() - age * _DAY)

    def install(self, model: InstalledModel) -> None:
        self._models[model.name.key] = model
        self.blobs.update({layer.digest: layer.size for layer in model.layers})

    def published(self, name: ModelName) -> InstalledModel | None:
        """The model as the public registry has it."""
        spec = look_up(name.display, self._node.known)
        return installed_from(spec, name) if spec else None

    def find(self, text: str) -> InstalledModel | None:
        name = ModelName.parse(text)
        return self._models.get(name.key) if name else None

    def newest_first(self) -> list[InstalledModel]:
        return sorted(self._models.values(), key=lambda model: -model.modified_ns)

    def copy(self, source: InstalledModel, destination: ModelName) -> None:
        self.install(replace(source, name=destination, modified_ns=time.time_ns()))

    def remove(self, model: InstalledModel) -> None:
        del self._models[model.name.key]
        self.drop_unused(layer.digest for layer in model.layers)

    def drop_unused(self, digests: Iterable[str]) -> None:
        used = {layer.digest for model in self._models.values() for layer in model.layers}
        for digest in digests:
            if digest not in used:
                self.blobs.pop(digest, None)
