"""The documentation of the API: its OpenAPI description, and a page made of that without any script."""

import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

from orchestration.api.examples import example

Schema = dict[str, Any]


class Documentation:
    """Two views over one API. Neither needs a login: they hold nothing but what the source says."""

    def __init__(self, api: NinjaAPI) -> None:
        self._api = api
        self.openapi = require_safe(self._openapi)
        self.page = require_safe(self._page)

    def _openapi(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse(self._api.get_openapi_schema())

    def _page(self, request: HttpRequest) -> HttpResponse:
        schema = self._api.get_openapi_schema()
        groups: dict[str, list[Schema]] = {}
        for call in calls(schema):
            groups.setdefault(call["tag"], []).append(call)
        address = request.build_absolute_uri("/").rstrip("/")
        context = {"info": schema["info"], "groups": groups, "address": address}
        return render(request, "api/docs.html", context)


def calls(schema: Schema) -> Iterator[Schema]:
    """Every call as the page shows it."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            yield {
                "tag": operation["tags"][0],
                "id": operation["operationId"],
                "method": method.upper(),
                "path": path,
                "summary": operation["summary"],
                "description": _paragraphs(operation.get("description", "")),
                "parameters": [_parameter(item) for item in operation["parameters"]],
                "fields": list(_fields(body, schema)) if body else [],
                "body": _pretty(example(body, schema)) if body else "",
                "answers": [_answer(status, answer, schema) for status, answer in operation["responses"].items()],
            }


def _parameter(item: Schema) -> Schema:
    return {
        "name": item["name"],
        "where": item["in"],
        "type": type_in_words(item["schema"]),
        "required": item["required"],
        "description": item.get("description", ""),
    }


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.replace("``", "").split()) for part in text.split("\n\n") if part.strip()]


def _fields(body: Schema, schema: Schema, prefix: str = "") -> Iterator[Schema]:
    """The fields of a body, with those of the objects in it below them."""
    shape = resolved(_inner(body) or body, schema)
    for name, field in shape.get("properties", {}).items():
        yield {
            "name": prefix + name,
            "type": type_in_words(field),
            "required": name in shape.get("required", ()),
            "description": field.get("description", ""),
        }
        if (inner := _inner(field)) and "properties" in resolved(inner, schema):
            many = "list of" in type_in_words(field)
            yield from _fields(inner, schema, f"{prefix}{name}{'[].' if many else '.'}")


def _inner(field: Schema) -> Schema | None:
    """What a field refers to, by itself or in a list."""
    options = [field, *field.get("anyOf", ()), *field.get("allOf", ())]
    items = [option["items"] for option in options if "$ref" in option.get("items", {})]
    return next(iter([*items, *(option for option in options if "$ref" in option)]), None)


def _answer(status: int, answer: Schema, schema: Schema) -> Schema:
    content = next((kind["schema"] for kind in answer.get("content", {}).values() if "schema" in kind), None)
    good = int(status) < 300
    return {
        "status": status,
        "words": answer["description"],
        "good": good,
        "example": _pretty(example(content, schema)) if content and good else "",
    }


def resolved(part: Schema, schema: Schema) -> Schema:
    """The part itself, or what its reference leads to."""
    reference = part.get("$ref")
    found: Schema = schema["components"]["schemas"][reference.rsplit("/", 1)[-1]] if reference else part
    return found


def type_in_words(field: Schema) -> str:
    if "$ref" in field:
        return str(field["$ref"].rsplit("/", 1)[-1])
    for union in ("anyOf", "oneOf", "allOf"):
        if union in field:
            return " or ".join(dict.fromkeys(type_in_words(part) for part in field[union]))
    if field.get("type") == "array":
        return f"list of {type_in_words(field.get('items', {}))}"
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    return str(field.get("type", "anything"))


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
