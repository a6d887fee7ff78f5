"""Workflows: the list with their latest runs, the editor as form and as YAML, versions, and running one."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.drawing import drawn
from dashboard.flow_forms import RunForm, blank, listed_problems
from dashboard.option_forms import type_choices
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.errors import DroverError, InvalidInput, InvalidWorkflow, Unprocessable
from orchestration.models import Workflow
from orchestration.permissions import Action, refusal
from orchestration.policy.stepping import edges_of
from orchestration.policy.strict_json import read_json
from orchestration.policy.workflow_text import from_yaml, to_yaml, with_lines
from orchestration.policy.workflows import as_json
from orchestration.queries import workflows as found
from orchestration.queries.workflows import RunBar
from orchestration.services import workflows as service
from orchestration.services.specs import THINK_LEVELS

TABS = ("form", "yaml", "versions")
BAR_STATES = {"pending": "waiting", "running": "generating"}
SAMPLE_COMMAND = (
    'drover run-workflow default --steps "plan:generate:Plan a page" --steps "code:generate:Write it: {{plan}}"'
)


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    rows = found.workflows()
    latest = found.latest_runs([row["id"] for row in rows])
    listed = [{**row, "bars": _bars(latest[row["id"]]), "last": latest[row["id"]][-1:]} for row in rows]
    return render(request, "workflows/index.html", {"workflows": listed, "sample_command": SAMPLE_COMMAND})


def _bars(runs: list[RunBar]) -> list[dict[str, Any]]:
    """As high as they took, by the longest of them; what goes on is as high as can be."""
    longest = max((run["seconds"] or 0 for run in runs), default=0) or 1
    offset = 100 - 5 * len(runs)
    drawn_bars = []
    for number, run in enumerate(runs):
        height = 100.0 if run["seconds"] is None else max(8.0, 100 * run["seconds"] / longest)
        place = {"x": f"{offset + 5 * number}", "y": f"{100 - height:.1f}", "height": f"{height:.1f}"}
        drawn_bars.append({**run, **place, "state": BAR_STATES.get(run["status"], run["status"])})
    return drawn_bars


@page
def new(request: HttpRequest) -> HttpResponse:
    return _editor(request, None)


@page
def edit(request: HttpRequest, workflow_id: int) -> HttpResponse:
    return _editor(request, found.get_workflow(workflow_id))


def _editor(request: HttpRequest, row: Workflow | None) -> HttpResponse:
    if request.method != "POST":
        definition = found.get_version(row, row.latest).definition if row else blank()
        return _page(request, row, definition, to_yaml(definition))
    text = request.POST.get("yaml")
    try:
        saved = _save(request, row, text)
    except (InvalidWorkflow, InvalidInput) as error:
        if text is None:
            raise
        problems = listed_problems(error)
        return _page(request, row, blank(), text, tab="yaml", problems=problems, status=422)
    words = f"Version {saved.latest} is saved." if row else f"{saved.name} is ready."
    return done(request, words, to=reverse("workflow-edit", args=[saved.pk]) + (_tab_query(request)))


def _tab_query(request: HttpRequest) -> str:
    return "?tab=yaml" if "yaml" in request.POST else ""


def _save(request: HttpRequest, row: Workflow | None, text: str | None) -> Workflow:
    definition = _given(request)
    note = request.POST.get("note", "")
    based_on = request.POST.get("based_on", "")
    try:
        if row is None:
            return service.create(actor=actor(request), definition=definition, note=note)
        number = int(based_on[:9]) if based_on.isdecimal() else None
        return service.update(
            actor=actor(request), workflow_id=row.pk, definition=definition, note=note, based_on=number
        )
    except InvalidWorkflow as error:
        raise error if text is None else with_lines(error, text) from error


def _given(request: HttpRequest) -> Any:
    """The definition as the form or the YAML has it. Browsers send line breaks as two characters."""
    if (text := request.POST.get("yaml")) is not None:
        return from_yaml(text.replace("\r\n", "\n"))
    try:
        return read_json(request.POST.get("definition", "").encode())
    except (ValueError, RecursionError) as error:
        raise InvalidInput("The form sent something unreadable; reload the page.") from error


def _page(
    request: HttpRequest,
    row: Workflow | None,
    definition: Any,
    text: str,
    *,
    tab: str = "",
    problems: list[dict[str, Any]] | None = None,
    status: int = 200,
) -> HttpResponse:
    wanted = tab or request.GET.get("tab", "form")
    context = {
        "workflow": row,
        "tab": wanted if wanted in TABS and (row or wanted != "versions") else "form",
        "definition": definition,
        "yaml": text,
        "problems": problems or [],
        "why_not": refusal(actor(request), Action.EDIT_WORKFLOW, row) or "",
        "why_no_run": refusal(actor(request), Action.SUBMIT_TASK) or "",
        "agents": queries.agents(),
        "models": queries.known_models(),
        "types": [name for name, _ in type_choices()],
        "think_levels": THINK_LEVELS,
        "dag": _dag(definition),
        "run_form": RunForm(found.get_version(row, row.latest).definition) if row else None,
        **(_versions(request, row) if row else {}),
    }
    return render(request, "workflows/edit.html", context, status=status)


def _versions(request: HttpRequest, row: Workflow) -> dict[str, Any]:
    def number(name: str, default: int) -> int:
        given = request.GET.get(name, "")
        return int(given) if given.isdecimal() and 1 <= int(given[:9]) <= row.latest else default

    after = number("to", row.latest)
    before = number("from", max(1, after - 1))
    lines = found.difference(row, before, after).splitlines()
    kinds = {"+": "plus", "-": "minus", "@": "at"}
    diff = [{"text": line, "kind": "at" if line[:3] in ("+++", "---") else kinds.get(line[:1], "")} for line in lines]
    return {"versions": found.versions(row), "before": before, "after": after, "diff": diff}


@require_POST
@page
def check(request: HttpRequest) -> HttpResponse:
    """What the editor shows while one types: the same as form and as text, what is wrong, and the graph."""
    text = request.POST.get("yaml")
    answer: dict[str, Any] = {"definition": None, "yaml": text, "problems": [], "dag": None}
    try:
        given = _given(request)
    except InvalidInput as error:
        return JsonResponse({**answer, "problems": listed_problems(error)})
    answer |= {"definition": given, "yaml": text if text is not None else to_yaml(given)}
    try:
        definition, planned = service.checked(given)
    except InvalidWorkflow as error:
        told = error if text is None else with_lines(error, text)
        return JsonResponse({**answer, "problems": listed_problems(told)})
    dag = render_to_string("workflows/_dag.html", _drawn(definition, planned))
    return JsonResponse({**answer, "definition": as_json(definition), "dag": dag})


def _dag(definition: Any) -> dict[str, Any] | None:
    try:
        return _drawn(*service.checked(definition))
    except DroverError:
        return None


def _drawn(definition: Any, planned: Any) -> dict[str, Any]:
    drawing = drawn(edges_of(planned), down=True)
    steps = {step.name: step for step in definition.steps}
    return {"drawing": drawing, "boxes": [{"box": box, "step": steps[box.name]} for box in drawing.boxes]}


@page
def run(request: HttpRequest, workflow_id: int) -> HttpResponse:
    row = found.get_workflow(workflow_id)
    form = RunForm(found.get_version(row, row.latest).definition, request.POST or None)
    if request.method == "POST":
        try:
            made = service.run_saved(
                actor=actor(request), workflow_id=row.pk, asked=service.Asked(inputs=form.values())
            )
        except Unprocessable as error:
            form.problem = error.message
        else:
            return redirect("run", made.pk)
    context = {"workflow": row, "run_form": form, "why_no_run": refusal(actor(request), Action.SUBMIT_TASK) or ""}
    return render(request, "workflows/run.html", context, status=422 if form.problem else 200)


@require_POST
@page
def restore(request: HttpRequest, workflow_id: int, number: int) -> HttpResponse:
    row = service.restore(actor=actor(request), workflow_id=workflow_id, number=number)
    to = reverse("workflow-edit", args=[workflow_id]) + "?tab=versions"
    return done(request, f"Version {number} is back, as version {row.latest}.", to=to)


@require_POST
@page
def delete(request: HttpRequest, workflow_id: int) -> HttpResponse:
    name = found.get_workflow(workflow_id).name
    service.delete(actor=actor(request), workflow_id=workflow_id)
    return done(request, f"The workflow {name} is deleted; its runs stay.", to=reverse("workflows"))
