"""One model: where it is, whether it is paused, and what the team decided about it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from dashboard.forms import ModelForm, initial_from_model, saved
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.errors import NotFound
from orchestration.models import ModelConfig
from orchestration.permissions import Action, refusal
from orchestration.policy.routing import full_name
from orchestration.policy.states import PauseKind
from orchestration.services import model_configs as service


@page
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """Of a model nobody decided anything about it shows the defaults; saving writes them down."""
    name = full_name(name)
    config = ModelConfig.objects.filter(model_name=name).first()
    known = next((row for row in queries.known_models() if row["name"] == name), None)
    if config is None and known is None:
        raise NotFound(f"No node has {name}, and nothing is decided about it.")
    form = ModelForm(request.POST or None, initial=initial_from_model(config or ModelConfig()))
    if request.method == "POST" and form.is_valid() and _saved(request, form, name, config):
        return done(request, f"{name} is saved.", to=reverse("model", args=[name]))
    context = {
        "form": form,
        "name": name,
        "model": known,
        "paused": queries.pauses.words().get((PauseKind.MODEL, name), ""),
        "why_not": refusal(actor(request), Action.EDIT_MODEL),
    }
    return render(request, "nodes/model.html", context, status=422 if form.errors else 200)


def _saved(request: HttpRequest, form: ModelForm, name: str, config: ModelConfig | None) -> ModelConfig | None:
    who, fields = actor(request), _fields(form)
    if config is None:
        return saved(form, lambda: service.create(actor=who, model_name=name, **fields))
    return saved(form, lambda: service.update(actor=who, config_id=config.pk, **fields))


def _fields(form: ModelForm) -> dict[str, Any]:
    return {field: form.cleaned_data[field] for field in form.fields}
