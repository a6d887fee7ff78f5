"""Example values made of a JSON schema, for the documentation page."""

from typing import Any

Schema = dict[str, Any]

_KNOWN: dict[str, Any] = {
    "agent": "writer",
    "agent_id": "writer",
    "base_url": "http://gpu-a:11434",
    "capabilities": ["completion"],
    "code": "invalid_input",
    "input": "Why is the sky blue?",
    "message": "generating",
    "model": "llama3.2:latest",
    "model_name": "llama3.2:latest",
    "model_used": "llama3.2:latest",
    "name": "writer",
    "node": "gpu-a",
    "output": "Because air scatters blue light more than red.",
    "owner": "bob",
    "parameters": {"temperature": 0.7, "num_ctx": 8192},
    "priority": 1,
    "status": "completed",
    "tags": ["report"],
    "title": "Why is the sky blue?",
    "type": "generate",
}
_TELLING = frozenset({"agent_id", "input", "models", "parameters", "results", "tasks"})
"""Fields that are optional and still belong into an example."""
_DEPTH = 14


def example(part: Schema | None, schema: Schema, *, name: str = "", depth: int = 0) -> Any:
    """A value that the part allows. Optional fields of bodies are left out, but for the telling ones."""
    if part is None or depth > _DEPTH:
        return None
    if "$ref" in part:
        found = schema["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]]
        return example(found, schema, name=name, depth=depth + 1)
    for union in ("anyOf", "oneOf", "allOf"):
        if union in part:
            return _of_union(part[union], schema, name, depth)
    if "const" in part or "enum" in part:
        return part["const"] if "const" in part else part["enum"][0]
    return _of_type(part, schema, name, depth)


def _of_union(parts: list[Schema], schema: Schema, name: str, depth: int) -> Any:
    known = _KNOWN.get(name)
    wanted = {"str": "string", "int": "integer", "dict": "object", "list": "array"}.get(type(known).__name__)
    fitting = [part for part in parts if wanted and part.get("type") == wanted]
    return example((fitting or parts)[0], schema, name=name, depth=depth + 1)


def _of_type(part: Schema, schema: Schema, name: str, depth: int) -> Any:
    match part.get("type"):
        case "object" if "properties" in part:
            return _of_object(part, schema, depth)
        case "object":
            return _KNOWN[name] if isinstance(_KNOWN.get(name), dict) else {}
        case "array":
            known, items = _KNOWN.get(name), part.get("items")
            if isinstance(known, list) and items and items.get("type") == "string":
                return known
            return [example(items, schema, name=name.removesuffix("s"), depth=depth + 1)]
        case "string":
            return _text(name)
        case "integer":
            return _KNOWN[name] if isinstance(_KNOWN.get(name), int) else 1
        case "number":
            return 1.5
        case "boolean":
            return False
    return _KNOWN.get(name)


def _text(name: str) -> str:
    known = _KNOWN.get(name)
    if isinstance(known, str):
        return known
    return "2026-01-31T12:00:00.000Z" if name.endswith("_at") or name == "at" else ""


def _of_object(part: Schema, schema: Schema, depth: int) -> Any:
    required = part.get("required", ())
    named = {name: field for name, field in part["properties"].items() if name in required or name in _TELLING}
    return {name: example(field, schema, name=name, depth=depth + 1) for name, field in named.items()}
