"""The form of a batch: rows pasted or dropped, which column is what, the prompt, who does it, within which limits."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import uuid4

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from dashboard.forms import THINK_WORDS, model_choices, split
from dashboard.option_forms import TypedForm, number_field, whole_field
from orchestration import queries
from orchestration.api.batches import file_text
from orchestration.errors import DroverError, InvalidInput
from orchestration.payloads import AgentPayload
from orchestration.policy.mapping import Columns
from orchestration.policy.states import Priority, TaskType
from orchestration.policy.tables import Format, Table, read_table
from orchestration.services.batches import BatchRequest
from orchestration.services.specs import TaskSpec

KEPT_CHARACTERS = 1_000_000
"""A file that is larger is not written back into the page; it has to be chosen again."""
FORMATS = {
    "": "found by itself",
    Format.CSV: "CSV",
    Format.JSON: "JSON",
    Format.JSONL: "JSON lines",
    Format.LIST: "a prompt a line",
}
SINGLE_COLUMNS = ("client_ref", "model", "images")


class BatchForm(TypedForm):
    text = forms.CharField(
        label="Rows",
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 8,
                "class": "mono rows-in",
                "placeholder": "id,text\n1,The box arrived dented.\n2,Works as promised.",
            }
        ),
    )
    file = forms.FileField(
        required=False, widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.json,.jsonl,.ndjson,.txt"})
    )
    format = forms.ChoiceField(label="Format", required=False, choices=list(FORMATS.items()))
    template = forms.CharField(
        label="Prompt",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "Is this review friendly? {{text}}"}),
        help_text="{{column}} is the cell of each row. Left empty, the only column or one called prompt is sent.",
    )
    system = forms.CharField(
        label="System prompt",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "the agent's own"}),
    )
    client_ref = forms.CharField(required=False, max_length=200)
    model = forms.CharField(required=False, max_length=200)
    images = forms.CharField(required=False, max_length=200)
    agent = forms.TypedChoiceField(label="Agent", coerce=int)
    model_name = forms.CharField(label="Model", required=False, max_length=200)
    allow_missing = forms.BooleanField(label="Wait if no node has the model yet", required=False)
    title = forms.CharField(
        label="Title", required=False, max_length=160, widget=forms.TextInput(attrs={"placeholder": "the file's name"})
    )
    priority = forms.TypedChoiceField(
        label="Priority", coerce=int, choices=[(p.value, p.name.lower()) for p in Priority], initial=Priority.NORMAL
    )
    tags = forms.CharField(label="Tags", required=False, widget=forms.TextInput(attrs={"placeholder": "a, b"}))
    think = forms.ChoiceField(
        label="Thinking", required=False, choices=[("", "as the agent does"), *((w, w) for w in THINK_WORDS if w)]
    )
    answer = forms.ChoiceField(label="Answer", required=False, choices=[("", "text"), ("json", "JSON")])
    timeout_seconds = number_field("Time-out, seconds", "none", min_value=1)
    max_tries = whole_field("Most tries", "as its agent says", min_value=1, max_value=100)
    max_parallel = whole_field("Rows at once", "no limit of its own", min_value=1, max_value=10_000)
    stop_failed_percent = number_field("Stop above % failed", "never", min_value=0, max_value=100)
    skip_done = forms.BooleanField(required=False)
    form_key = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput, initial=lambda: uuid4().hex)

    def __init__(
        self, *args: Any, agents: Sequence[AgentPayload], models: Sequence[Mapping[str, Any]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["agent"]
        assert isinstance(choice, forms.TypedChoiceField)
        choice.choices = [(agent["id"], agent["name"]) for agent in agents]
        self.fields["model_name"].widget = forms.Select(choices=model_choices(agents, models))

    @property
    def source(self) -> str:
        """The name of the file that was sent with it."""
        uploaded = self.files.get("file")
        return (uploaded.name or "")[:160] if isinstance(uploaded, UploadedFile) else ""

    @cached_property
    def rows_text(self) -> str:
        """What was dropped, else what was pasted. Raises InvalidInput, PayloadTooLarge."""
        uploaded = self.files.get("file")
        if isinstance(uploaded, UploadedFile):
            return file_text(uploaded)
        return str(self.data.get("text", "")).replace("\r\n", "\n")

    @cached_property
    def table(self) -> Table:
        wanted = str(self.data.get("format", ""))
        return read_table(self.rows_text, Format(wanted) if wanted in set(Format) else None, self.source)

    def keep_rows(self) -> bool:
        """Writes a dropped file into the page, for browsers that forget it. False where it has to be chosen again."""
        if not self.source:
            return True
        try:
            text = self.rows_text
        except DroverError:
            return False
        if len(text) > KEPT_CHARACTERS:
            return False
        assert isinstance(self.data, QueryDict)
        data = self.data.copy()
        data["text"] = text
        self.data = data
        return True

    def batch(self) -> BatchRequest:
        data, table = self.cleaned_data, self.table
        columns = {name: data[name] for name in SINGLE_COLUMNS if data[name] in table.names}
        limits = {name: data[name] for name in ("max_parallel", "stop_failed_percent")}
        return BatchRequest(
            agent=queries.get_agent(data["agent"]),
            table=table,
            task=self._task(),
            columns=Columns(**columns, metadata=[name for name in self.kept if name in table.names]),
            template=data["template"].replace("\r\n", "\n"),
            system=data["system"].replace("\r\n", "\n"),
            title=data["title"],
            source=self.source,
            skip_done=data["skip_done"],
            allow_missing_models=data["allow_missing"],
            **limits,
        )

    @property
    def kept(self) -> list[str]:
        """Columns that stay with their rows."""
        return list(self.data.getlist("metadata")) if self.is_bound else []  # type: ignore[attr-defined]

    def _task(self) -> TaskSpec:
        data = self.cleaned_data
        embed = data["type"] == TaskType.EMBED
        return TaskSpec(
            type=data["type"],
            model_name=data["model_name"],
            preset="" if embed else data["preset"],
            parameters=self.own_parameters(),
            priority=data["priority"],
            tags=split(data["tags"]),
            think=None if embed else THINK_WORDS[data["think"]],
            format=None if embed else data["answer"] or None,
            timeout_seconds=data["timeout_seconds"],
            max_tries=data["max_tries"],
        )

    def idempotency_key(self, batch: BatchRequest) -> str | None:
        """The same form with the same rows is the same batch, however often it is sent."""
        key = self.cleaned_data["form_key"]
        rows = [row.cells for row in batch.table.rows]
        content = f"{batch.agent.pk} {batch.task!r} {batch.columns!r} {batch.template!r} {batch.system!r} {rows!r}"
        return f"batch-{key}-{sha256(content.encode()).hexdigest()[:32]}" if key else None

    def first_problem(self) -> InvalidInput | None:
        """For scripts, which show one."""
        for name, problems in self.errors.items():
            label = self.fields[name].label if name in self.fields else ""
            return InvalidInput(f"{label}: {problems[0]}" if label else str(problems[0]), field=name)
        return None
