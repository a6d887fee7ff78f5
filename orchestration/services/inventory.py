"""What a node told of its models: those on its disk, those in its memory, and what they take there."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.db.models import PositiveIntegerField

from orchestration.errors import DroverError, Refused
from orchestration.models import Node, NodeModel, NodeVariant, OllamaModel
from orchestration.ollama.wire import InstalledModel, LoadedModel
from orchestration.policy.routing import full_name

LONGEST_NAME = 200
LARGEST_INTEGER = 2**31 - 1
SAME_WEIGHTS_BYTES = 1_000_000
"""Models that differ only in template, system prompt or parameters differ less in size."""
_NOT_LOADED = {
    "loaded": False,
    "loaded_bytes": None,
    "vram_bytes": None,
    "loaded_context": None,
    "listed_as": "",
}


def record(
    node: Node, *, installed: Sequence[InstalledModel] | None = None, loaded: Sequence[LoadedModel] | None = None
) -> bool:
    """Writes only rows that differ; whether any did. None was not asked and changes nothing. ``learned_bytes`` grows
    on the node, which the caller saves."""
    rows = {row.model.name: row for row in node.node_models.select_related("model")}
    changed = False
    if installed is not None:
        changed |= _record_installed(node, installed, rows)
    if loaded is not None:
        changed |= _record_loaded(node, loaded, rows)
        node.learned_bytes = max(node.learned_bytes, bytes_in_use(loaded))
    gone = [row.pk for row in rows.values() if not row.installed and not row.loaded]
    return bool(NodeModel.objects.filter(pk__in=gone).delete()[0]) or changed


def note_gone(node_id: int | None, model_name: str, error: DroverError) -> bool:
    """Whether this is a node that says that it has not got the model. The next look may find it again."""
    if not isinstance(error, Refused) or error.status != HTTPStatus.NOT_FOUND:
        return False
    NodeModel.objects.filter(node=node_id, model__name=model_name).update(installed=False)
    return True


def bytes_in_use(loaded: Sequence[LoadedModel]) -> int:
    """Of video memory; of main memory where there is no other."""
    return sum(item.vram_bytes for item in loaded) or sum(item.size_bytes for item in loaded)


def by_name(loaded: Sequence[LoadedModel]) -> dict[str, LoadedModel]:
    return {name: item for item in loaded if len(name := full_name(item.name)) <= LONGEST_NAME}


def _record_installed(node: Node, installed: Sequence[InstalledModel], rows: dict[str, NodeModel]) -> bool:
    changed = False
    seen = {name: item for item in installed if len(name := full_name(item.name)) <= LONGEST_NAME}
    for name, item in seen.items():
        row = rows.get(name) or _new_row(node, _known_model(name, item), rows)
        facts = {
            "digest": item.digest or row.digest,  # what an answer leaves out is no news
            "size_bytes": item.size_bytes or row.size_bytes,
            "modified_at": item.modified_at or row.modified_at,
            "installed": True,
        }
        new = _store(row, facts)
        changed |= _store(row.model, _facts_to_take(row.model, item, new=new)) or new
    for name, row in rows.items():
        if name not in seen and row.installed:
            changed |= _store(row, {"installed": False})
    return changed


def _record_loaded(node: Node, loaded: Sequence[LoadedModel], rows: dict[str, NodeModel]) -> bool:
    changed = False
    seen = by_name(loaded)
    for name, item in seen.items():
        model = rows[name].model if name in rows else OllamaModel.objects.get_or_create(name=name)[0]
        row = rows.get(name) or _new_row(node, model, rows, installed=False)
        facts = {
            "loaded": True,
            "loaded_bytes": item.size_bytes,
            "vram_bytes": item.vram_bytes,
            "loaded_context": item.context_length or row.loaded_context,  # servers before 0.10 do not tell it
            "expires_at": item.expires_at,
            "listed_as": "",
        }
        changed |= _store(row, facts)
    for name, row in rows.items():
        if name not in seen:
            changed |= _record_unlisted(row, seen)
    _forget_loads(node, rows)
    return changed


def _record_unlisted(row: NodeModel, seen: dict[str, LoadedModel]) -> bool:
    """Gone, unless it was found to share the memory of one that is still there with the same context."""
    listed = seen.get(row.listed_as)
    if listed and listed.context_length in (None, row.loaded_context):
        return _store(row, {"loaded": True, "loaded_bytes": 0, "vram_bytes": 0, "expires_at": listed.expires_at})
    return row.loaded and _store(row, _NOT_LOADED)


def note_sharing(node: Node, model_name: str, num_ctx: int, loaded: Sequence[LoadedModel]) -> LoadedModel | None:
    """The listed model whose weights a model uses that was loaded and is not listed itself. Servers list one name for
    models with the same weights, and do not tell which do; the size on disk does."""
    rows = {row.model.name: row for row in node.node_models.filter(installed=True).select_related("model")}
    own = rows.get(model_name)
    for name, item in by_name(loaded).items():
        other = rows.get(name)
        if own and other and item.context_length in (None, num_ctx) and _alike(own, other):
            _store(own, {"listed_as": name, "loaded_context": num_ctx})
            return item
    return None


def _alike(one: NodeModel, other: NodeModel) -> bool:
    same_family = one.model.family == other.model.family
    return same_family and abs(one.size_bytes - other.size_bytes) < SAME_WEIGHTS_BYTES


def _forget_loads(node: Node, rows: dict[str, NodeModel]) -> None:
    """Of variants that Drover loaded and that are there no more, or with another context."""
    for variant in NodeVariant.objects.filter(node=node).exclude(loaded_at=None):
        row = rows.get(variant.model_name)
        if row is None or not row.loaded or row.loaded_context != variant.num_ctx:
            NodeVariant.objects.filter(pk=variant.pk).update(loaded_at=None)


def _fitting(row: type[NodeModel | OllamaModel], facts: dict[str, Any]) -> dict[str, Any]:
    """What a node says of itself may be longer or larger than anybody expected; that must not hide the rest."""
    return {name: _fit(row._meta.get_field(name), value) for name, value in facts.items()}


def _fit(field: Any, value: Any) -> Any:
    if isinstance(value, str) and field.max_length:
        return value[: field.max_length]
    if isinstance(field, PositiveIntegerField) and value is not None and not 0 <= value <= LARGEST_INTEGER:
        return None
    return value


def _new_row(node: Node, model: OllamaModel, rows: dict[str, NodeModel], *, installed: bool = True) -> NodeModel:
    row = NodeModel.objects.create(node=node, model=model, installed=installed)
    rows[model.name] = row
    return row


def _known_model(name: str, item: InstalledModel) -> OllamaModel:
    return OllamaModel.objects.get_or_create(name=name, defaults=_model_facts(item))[0]


def _facts_to_take(model: OllamaModel, item: InstalledModel, *, new: bool) -> dict[str, Any]:
    """Of weights seen before only what was not known: nodes with other weights under the name would take turns."""
    return {name: value for name, value in _model_facts(item).items() if new or not getattr(model, name)}


def _model_facts(item: InstalledModel) -> dict[str, Any]:
    facts = {
        "family": item.family,
        "parameter_size": item.parameter_size,
        "quantization": item.quantization,
        "capabilities": list(item.capabilities),
        "context_length": item.context_length,
        "size_bytes": item.size_bytes,
    }
    return _fitting(OllamaModel, {name: value for name, value in facts.items() if value})


def _store(row: NodeModel | OllamaModel, facts: dict[str, Any]) -> bool:
    facts = _fitting(type(row), facts)
    changed = [name for name, value in facts.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, facts[name])
    if changed:
        row.save(update_fields=changed)
    return bool(set(changed) - {"expires_at"})
