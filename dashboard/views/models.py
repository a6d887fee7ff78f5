"""What the team decides about one model, what then holds for it, and how much memory it takes with how much context."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard.forms import saved
from dashboard.manner_forms import ModelForm, initial_from_model
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.errors import NotFound
from orchestration.models import ModelConfig
from orchestration.permissions import Action, refusal
from orchestration.policy.routing import full_name
from orchestration.policy.states import PauseKind
from orchestration.queries.ids import id_of
from orchestration.queries.in_force import could_be
from orchestration.queries.memory_forecast import every_forecast, memory_forecast
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
        "decided": config is not None,
        "warnings": service.warnings(config) if config else [],
        "effective": could_be(agent=None, model_name=name),
        "forecasts": every_forecast(name),
        "paused": queries.pauses.words().get((PauseKind.MODEL, name), ""),
        "why_not": refusal(actor(request), Action.EDIT_MODEL),
    }
    return render(request, "models/config.html", context, status=422 if form.errors else 200)


def _saved(request: HttpRequest, form: ModelForm, name: str, config: ModelConfig | None) -> ModelConfig | None:
    who, fields = actor(request), form.values()
    if config is None:
        return saved(form, lambda: service.create(actor=who, model_name=name, **fields))
    return saved(form, lambda: service.update(actor=who, config_id=config.pk, **fields))


@require_safe
@page
def forecast(request: HttpRequest, name: str) -> HttpResponse:
    """A fragment, for the form of a new task."""
    num_ctx = id_of(request.GET.get("num_ctx", "")) or None
    return render(request, "models/_forecast.html", {"forecast": memory_forecast(name, num_ctx)})
