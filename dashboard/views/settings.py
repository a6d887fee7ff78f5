"""Settings that hold here with their sources, and the machine that Drover runs on."""

import json
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.views import page
from orchestration import queries
from orchestration.queries.system import SettingRow, settings_in_force, system

LATEST_ERRORS = 50


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    found = settings_in_force()
    words, changed = request.GET.get("q", "").strip(), "changed" in request.GET
    shown = [row for row in found["settings"] if _fits(row, words) and not (changed and row["source"] == "default")]
    groups = [{"name": name, "rows": list(rows)} for name, rows in groupby(shown, lambda row: row["group"])]
    own = sum(row["source"] != "default" for row in found["settings"])
    context = {"groups": groups, "unknown": found["unknown"], "text": words, "changed": changed, "own": own}
    return render(request, "settings/index.html", {**context, "total": len(found["settings"])})


def _fits(row: SettingRow, words: str) -> bool:
    text = f"{row['name']} {row['name'].replace('_', ' ')} {row['help']} {row['value']}".lower()
    return all(word in text for word in words.lower().split())


@require_safe
@page
def show_system(request: HttpRequest) -> HttpResponse:
    return render(request, "settings/system.html", {"system": system()})


@require_safe
@page
def diagnostics(request: HttpRequest) -> HttpResponse:
    """What helps somebody else to see what is wrong: no prompts, no answers, no secrets."""
    told: dict[str, Any] = {
        "system": system(),
        "health": queries.health(),
        "settings": settings_in_force(),
        "nodes": [
            {name: node[name] for name in ("name", "status", "ollama_version", "latency_seconds")}
            for node in queries.nodes()
        ],
        "errors": [
            {name: row[name] for name in ("at", "node", "model", "error_code", "attempt", "task_status")}
            for row in queries.errors(limit=LATEST_ERRORS)
        ],
    }
    answer = HttpResponse(json.dumps(told, indent=2, default=str), content_type="application/json")
    answer["Content-Disposition"] = 'attachment; filename="drover-diagnostics.json"'
    answer["Cache-Control"] = "no-store"
    return answer
