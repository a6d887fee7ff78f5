"""Tasks in the admin: submitted, cancelled, retried, deleted through their service; a waiting one can be changed."""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.safestring import SafeString

from orchestration import extensions
from orchestration.admin.base import LongAdmin, ServiceAdmin, actor_of
from orchestration.admin.display import age, as_json, column, link, listed, moment, seconds, task_state, text
from orchestration.admin.forms import RefusableForm, WordsField
from orchestration.errors import DroverError
from orchestration.models import OllamaModel, Task
from orchestration.permissions import Action, allowed
from orchestration.policy.states import ENDED, WAITING, TaskStatus, TaskType
from orchestration.services import agents, tasks

LARGE = (
    "input",
    "messages",
    "output",
    "thinking",
    "vectors",
    "images",
    "tools",
    "tool_calls",
    "format",
    "options",
    "parameters",
    "metadata",
    "system_prompt",
)

EDITABLE = ("priority", "tags")


class SubmitForm(RefusableForm):
    """The few things most tasks need; the rest is in the dashboard and in the REST API."""

    type = forms.ChoiceField(choices=[(kind, kind) for kind in TaskType])
    prompt = forms.CharField(widget=forms.Textarea(attrs={"rows": 8, "class": "vLargeTextField"}))
    model_name = forms.ChoiceField(required=False, label="Model")
    tags = WordsField(required=False, help_text="Commas in between.")

    class Meta:
        model = Task
        fields = ("agent", "priority")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = OllamaModel.objects.values_list("name", flat=True)
        self.fields["model_name"].choices = [("", "as the agent decides"), *((name, name) for name in names)]  # type: ignore[attr-defined]


class WaitingForm(RefusableForm):
    tags = WordsField(required=False, help_text="Commas in between.")

    class Meta:
        model = Task
        fields = ("priority",)


class TypeFilter(admin.SimpleListFilter):
    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(kind, kind) for kind in [*TaskType, *extensions.task_types()]]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Task]") -> "QuerySet[Task]":
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(Task)
class TaskAdmin(LongAdmin, ServiceAdmin):
    submitted = column("created_at", age, "submitted")
    created = column("created_at", moment)
    ready = column("ready_at", moment, "ready since")
    not_yet = column("not_before", moment, "not before")
    started = column("started_at", moment)
    ended = column("ended_at", moment)
    took = column("duration_seconds", seconds, "took")
    queued = column("queued_seconds", seconds, "queued")
    load = column("load_seconds", seconds, "model load")
    prefill = column("prefill_seconds", seconds, "prefill")
    decode = column("decode_seconds", seconds, "decode")
    tag_words = column("tags", listed)
    system_prompt_text = column("system_prompt", text, "system prompt")
    options_text = column("options", as_json)
    output_text = column("output", text)
    thinking_text = column("thinking", text)
    tool_calls_text = column("tool_calls", as_json, "tool calls")

    add_action = Action.SUBMIT_TASK
    change_action = Action.EDIT_TASK
    delete_action = Action.DELETE_TASK
    page = "task"
    deleting = "Its output and its attempts are deleted too. A task that has not ended is cancelled first, not deleted."

    list_display = (
        "id",
        "state",
        "short_title",
        "agent_name",
        "model_at_node",
        "priority",
        "owner",
        "submitted",
        "took",
        "open_in_drover",
    )
    list_display_links = ("id", "short_title")
    list_filter = ("status", TypeFilter, "priority", "agent", "node", "owner", "created_at")
    list_select_related = ("owner",)
    search_fields = ("title", "client_ref", "agent_name", "model_used", "error_code")
    autocomplete_fields = ("agent",)
    actions = ("cancel", "retry")

    add_fieldsets = ((None, {"fields": ("agent", "type", "prompt", "model_name", "priority", "tags")}),)
    fieldsets = (
        (None, {"fields": ("state", "message", "error", "priority", "tags")}),
        ("Who and where", {"fields": ("agent_name", "owner", "run_link", "model_shown", "node_name", "attempts_link")}),
        ("Why there", {"fields": ("decision_reason", "lane")}),
        ("When", {"fields": ("created", "ready", "not_yet", "started", "ended")}),
        (
            "Where the time went",
            {"fields": ("queued", "load", "prefill", "decode", "took", "prompt_tokens", "output_tokens")},
        ),
        ("Prompt", {"fields": ("type", "system_prompt_text", "prompt_text", "options_text")}),
        ("Output", {"fields": ("output_text", "thinking_text", "tool_calls_text")}),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Task]":
        rows = super().get_queryset(request).select_related("owner")
        in_list = request.resolver_match and request.resolver_match.url_name == "orchestration_task_changelist"
        return rows.defer(*LARGE) if in_list else rows

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        if self.has_change_permission(request, obj):
            return self.fieldsets
        return ((None, {"fields": ("state", "message", "error", "priority", "tag_words")}), *self.fieldsets[1:])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        return [name for _, part in self.get_fieldsets(request, obj) for name in part["fields"] if name not in EDITABLE]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = WaitingForm if obj else SubmitForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"agent": agents.ensure_default().pk, **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A form only while the task waits. One that was sent too late is refused by the service, with the reason."""
        open_for_change = obj is None or request.method == "POST" or obj.status in WAITING
        return open_for_change and super().has_change_permission(request, obj)

    def has_cancel_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        return allowed(actor_of(request), Action.CANCEL_TASK, obj)

    def has_retry_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        return allowed(actor_of(request), Action.RETRY_TASK, obj)

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:
        given, actor = form.cleaned_data, actor_of(request)
        if change:
            tasks.edit_waiting(actor=actor, task_id=obj.pk, priority=given["priority"], tags=given["tags"])
        else:
            spec = tasks.TaskSpec(
                type=given["type"],
                input=given["prompt"],
                model_name=given["model_name"],
                priority=given["priority"],
                tags=given["tags"],
            )
            run = tasks.submit(actor=actor, agent=given["agent"] or agents.ensure_default(), specs=[spec])
            obj.pk = run.tasks.values_list("pk", flat=True).get()
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        tasks.delete_ended(actor=actor_of(request), task_ids=[obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Task]") -> None:
        tasks.delete_ended(actor=actor_of(request), task_ids=list(queryset.values_list("pk", flat=True)))

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: "QuerySet[Task]") -> None:
        self._do_to_each(request, queryset, tasks.cancel, "Cancelled")

    @admin.action(description="Retry", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: "QuerySet[Task]") -> None:
        self._do_to_each(request, queryset, tasks.retry, "Waiting again")

    def _do_to_each(self, request: HttpRequest, queryset: "QuerySet[Task]", do: Callable[..., Task], done: str) -> None:
        """Each task by itself: what one refuses does not keep the others."""
        count, refused = 0, dict[str, int]()
        for task_id in queryset.values_list("pk", flat=True):
            try:
                do(actor=actor_of(request), task_id=task_id)
                count += 1
            except DroverError as error:
                refused[error.message] = refused.get(error.message, 0) + 1
        if count:
            self.message_user(request, f"{done}: {count} task{'s' if count != 1 else ''}.", messages.SUCCESS)
        for reason, times in list(refused.items())[:5]:
            self.message_user(request, f"Not done for {times}: {reason}", messages.WARNING)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.act_on_one)
        act = [
            path(f"<int:task_id>/{name}/", view, {"name": name}, f"orchestration_task_{name}")
            for name in ("cancel", "retry")
        ]
        return [*act, *super().get_urls()]

    def act_on_one(self, request: HttpRequest, task_id: int, name: str) -> HttpResponse:
        """The buttons of the change page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        action = self.cancel if name == "cancel" else self.retry
        action(request, Task.objects.filter(pk=task_id))
        return HttpResponseRedirect(reverse("admin:orchestration_task_change", args=[task_id]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        task = self.get_object(request, object_id)
        buttons = self._buttons(request, task) if task else []
        return super().change_view(request, object_id, form_url, {"buttons": buttons, **(extra_context or {})})

    def _buttons(self, request: HttpRequest, task: Task) -> list[tuple[str, str]]:
        """(words, address) of what can be done with the task as it stands."""
        if task.status in ENDED:
            fitting = task.status != TaskStatus.COMPLETED and self.has_retry_permission(request, task)
            return [("Retry", reverse("admin:orchestration_task_retry", args=[task.pk]))] if fitting else []
        fitting = task.cancel_requested_at is None and self.has_cancel_permission(request, task)
        return [("Cancel", reverse("admin:orchestration_task_cancel", args=[task.pk]))] if fitting else []

    @admin.display(description="state")
    def state(self, task: Task) -> SafeString:
        return task_state(task)

    @admin.display(description="title")
    def short_title(self, task: Task) -> str:
        return task.title if len(task.title) <= 60 else f"{task.title[:59]}…"

    @admin.display(description="model")
    def model_shown(self, task: Task) -> str:
        return task.model_used or task.model_name or "—"

    @admin.display(description="model @ node")
    def model_at_node(self, task: Task) -> str:
        return f"{self.model_shown(task)} @ {task.node_name}" if task.node_name else self.model_shown(task)

    @admin.display(description="run")
    def run_link(self, task: Task) -> SafeString | str:
        return link(reverse("admin:orchestration_run_change", args=[task.run_id]), f"run {task.run_id}")

    @admin.display(description="attempts")
    def attempts_link(self, task: Task) -> SafeString | str:
        url = f"{reverse('admin:orchestration_attempt_changelist')}?task__id__exact={task.pk}"
        return link(url, str(task.attempt_count)) if task.attempt_count else "none yet"

    @admin.display(description="prompt")
    def prompt_text(self, task: Task) -> SafeString | str:
        if task.messages is not None:
            return as_json(task.messages)
        return text(task.input) if isinstance(task.input, str) else as_json(task.input)
