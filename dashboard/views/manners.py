"""Settings of how tasks are done: the fleet's defaults, presets, and what then holds for whom."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.forms import saved
from dashboard.manner_forms import (
    DefaultsForm,
    PresetForm,
    initial_from_defaults,
    initial_from_preset,
)
from dashboard.option_forms import preset_choices
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.errors import DroverError
from orchestration.permissions import Action, refusal
from orchestration.queries.in_force import could_be
from orchestration.queries.levels import fleet_defaults
from orchestration.queries.presets import get_preset, users_of
from orchestration.queries.presets import presets as all_presets
from orchestration.services import defaults
from orchestration.services import presets as service


def _sent(request: HttpRequest, form: forms.Form) -> bool:
    return request.method == "POST" and form.is_valid()


@page
def fleet(request: HttpRequest) -> HttpResponse:
    form = DefaultsForm(request.POST or None, initial=initial_from_defaults(fleet_defaults()))
    who = actor(request)
    made = saved(form, lambda: defaults.update(actor=who, **form.values())) if _sent(request, form) else None
    if made is not None:
        return done(request, "The fleet's defaults are saved.", to=reverse("defaults"))
    context = {
        "form": form,
        "models": queries.known_models(),
        "why_not": refusal(actor(request), Action.EDIT_MODEL),
    }
    return render(request, "settings/defaults.html", context, status=422 if form.errors else 200)


@page
def presets(request: HttpRequest) -> HttpResponse:
    """All of them with their values, and a form for one more."""
    form = PresetForm(request.POST or None)
    if _sent(request, form) and (made := saved(form, lambda: service.create(actor=actor(request), **form.values()))):
        return done(request, f"The preset {made.name} is there.", to=reverse("presets"))
    rows = [{**row, "used_by": users_of(row["name"])} for row in all_presets()]
    context = {"form": form, "presets": rows, "why_not": refusal(actor(request), Action.ADD_PRESET)}
    return render(request, "settings/presets.html", context, status=422 if form.errors else 200)


@page
def preset(request: HttpRequest, preset_id: int) -> HttpResponse:
    row = get_preset(preset_id)
    form = PresetForm(request.POST or None, initial=initial_from_preset(row))
    if row.built_in:
        form.fields["name"].widget.attrs["readonly"] = True
    who = actor(request)
    changed = (
        saved(form, lambda: service.update(actor=who, preset_id=row.pk, **form.values()))
        if _sent(request, form)
        else None
    )
    if changed is not None:
        return done(request, f"The preset {row.name} is saved.", to=reverse("presets"))
    context = {
        "form": form,
        "preset": row,
        "used_by": users_of(row.name),
        "why_not": refusal(actor(request), Action.EDIT_MODEL),
    }
    return render(request, "settings/preset.html", context, status=422 if form.errors else 200)


@require_POST
@page
def restore_preset(request: HttpRequest, preset_id: int) -> HttpResponse:
    row = service.restore(actor=actor(request), preset_id=preset_id)
    return done(request, f"The preset {row.name} is as it came with Drover.", to=reverse("presets"))


@require_POST
@page
def delete_preset(request: HttpRequest, preset_id: int) -> HttpResponse:
    name = get_preset(preset_id).name
    service.delete(actor=actor(request), preset_id=preset_id)
    return done(request, f"The preset {name} is deleted.", to=reverse("presets"))


@require_safe
@page
def effective(request: HttpRequest) -> HttpResponse:
    """For an agent, a model and a preset: every value that would hold, and what each level says of it."""
    asked = {name: request.GET.get(name, "").strip() for name in ("agent", "model", "preset")}
    found, problem = None, ""
    try:
        agent = queries.get_agent(asked["agent"]) if asked["agent"] else None
        found = could_be(agent=agent, model_name=asked["model"], preset=asked["preset"])
    except DroverError as error:
        problem = error.message
    context = {
        "asked": asked,
        "effective": found,
        "problem": problem,
        "agents": queries.agents(),
        "models": queries.known_models(),
        "presets": preset_choices(asked["preset"]),
    }
    return render(request, "settings/effective.html", context)
