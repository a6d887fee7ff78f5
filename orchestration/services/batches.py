"""Batches: rows of a table become tasks of one run, after a look at what they would be."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from django.conf import settings

from orchestration.errors import Conflict, InvalidInput, PayloadTooLarge
from orchestration.models import Agent, Run, Task
from orchestration.payloads.batches import BatchPreview, ColumnPayload, DoneRows, SampleRow
from orchestration.permissions import Action, Actor, require
from orchestration.policy.batches import grouped, ranges
from orchestration.policy.effective import PresetValues
from orchestration.policy.mapping import Columns, Filled, filled_rows, mapping_of
from orchestration.policy.mapping import Mapping as RowMapping
from orchestration.policy.routing import full_name
from orchestration.policy.states import RunKind, TaskStatus, TaskType
from orchestration.policy.tables import Table
from orchestration.queries.estimates import Wanted, estimate
from orchestration.queries.levels import Levels
from orchestration.services import runs
from orchestration.services.specs import TaskSpec, checked
from orchestration.services.submission import RunPlan, submit_run

SAMPLES = 3
DRY_ROWS = 5
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """``task``: what all rows have in common; its texts are theirs. ``source``: the name of the file."""

    agent: Agent
    table: Table
    task: TaskSpec
    columns: Columns
    template: str = ""
    system: str = ""
    title: str = ""
    source: str = ""
    max_parallel: int | None = None
    stop_failed_percent: float | None = None
    skip_done: bool = False
    allow_missing_models: bool = False

    @property
    def name(self) -> str:
        """Its title, else the file that it comes from or what its rows have in common; empty where that is nothing."""
        lines = (line.strip() for line in self.template.splitlines())
        return self.title or self.source or next(filter(None, lines), "")


@dataclass(frozen=True, slots=True)
class Call:
    """One task with the rows that it does: one, or for embeddings several."""

    spec: TaskSpec
    rows: Sequence[Filled]


def preview(*, actor: Actor, batch: BatchRequest) -> BatchPreview:
    """What would be submitted, every row checked. Writes nothing. Raises what ``submit`` raises for rows."""
    require(actor, Action.SUBMIT_TASK)
    mapping, calls = _calls(batch)
    done = _done(batch.agent, calls)
    repeated = [call for call in calls if call.spec.content_hash in done]
    samples = islice((row for call in calls for row in call.rows), SAMPLES)
    return BatchPreview(
        format=str(batch.table.format),
        rows=_rows(calls),
        calls=len(calls),
        columns=[ColumnPayload(name=name, placeholder=word) for name, word in batch.table.names.items()],
        template=mapping.prompt,
        samples=[_sample(row, batch) for row in samples],
        done=DoneRows(rows=_rows(repeated), runs=sorted({done[call.spec.content_hash] for call in repeated})),
        warnings=_warnings(batch, mapping, calls),
        estimate=estimate(_wanted(actor, batch, calls)),
    )


def _sample(row: Filled, batch: BatchRequest) -> SampleRow:
    return SampleRow(
        number=row.number,
        prompt=row.prompt,
        system=row.system,
        model=row.model or batch.task.model_name or None,
        client_ref=row.client_ref,
        images=len(row.images),
        metadata=row.metadata,
    )


def _warnings(batch: BatchRequest, mapping: RowMapping, calls: Sequence[Call]) -> list[str]:
    found = []
    if mapping.quotes_nothing and _rows(calls) > 1:
        found.append("The template quotes no column: every row would ask the same.")
    same = len(calls) - len({call.spec.content_hash for call in calls})
    if same and not mapping.quotes_nothing:
        found.append(f"{same:,} {'row asks' if same == 1 else 'rows ask'} just what an earlier one asks.")
    if mapping.system is not None and batch.task.type == TaskType.EMBED:
        found.append("An embedding has no system prompt; it is left out.")
    return found


def _wanted(actor: Actor, batch: BatchRequest, calls: Sequence[Call]) -> Wanted:
    rows = (row for call in calls for row in call.rows)
    return Wanted(
        agent=batch.agent,
        type=batch.task.type,
        model_name=batch.task.model_name,
        calls=len(calls),
        characters=sum(len(row.prompt) + len(_system(batch, row)) for row in rows),
        owner_id=actor.user_id,
        max_parallel=batch.max_parallel,
    )


def _system(batch: BatchRequest, row: Filled) -> str:
    return batch.agent.prompt_in_force if row.system is None else row.system


def dry_run(*, actor: Actor, batch: BatchRequest) -> Run:
    """The first five rows as a small batch of their own. They do not count as done afterwards."""
    _, calls = _calls(batch, DRY_ROWS)
    calls = [Call(replace(call.spec, content_hash=""), call.rows) for call in calls]
    named = replace(batch, title=f"Dry run: {batch.name or calls[0].rows[0].prompt.strip()}")
    return _submit(actor, named, calls, dry_run=True)


def submit(*, actor: Actor, batch: BatchRequest, idempotency_key: str | None = None, request_hash: str = "") -> Run:
    """All rows, but those that are done already if that is wanted. Raises what ``submit_run`` raises.

    A row that cannot be sent is refused with its place; Conflict when none is left.
    """
    require(actor, Action.SUBMIT_TASK)
    _, calls = _calls(batch)
    repeated = idempotency_key and Run.objects.filter(owner_id=actor.user_id, idempotency_key=idempotency_key).exists()
    if not batch.skip_done or repeated:
        return _submit(actor, batch, calls, key=idempotency_key, request_hash=request_hash)
    done = _done(batch.agent, calls)
    left = [call for call in calls if call.spec.content_hash not in done]
    if not left:
        found = sorted(set(done.values()))
        words = ", ".join(f"run {run_id}" for run_id in found[:5])
        raise Conflict(f"All {_rows(calls):,} rows are done already: {words}.", runs=found)
    skipped = [row.number for call in calls if call.spec.content_hash in done for row in call.rows]
    return _submit(actor, batch, left, skipped=skipped, key=idempotency_key, request_hash=request_hash)


def _submit(
    actor: Actor,
    batch: BatchRequest,
    calls: Sequence[Call],
    *,
    skipped: Sequence[int] = (),
    dry_run: bool = False,
    key: str | None = None,
    request_hash: str = "",
) -> Run:
    runs.check_limits(max_parallel=batch.max_parallel, stop_failed_percent=batch.stop_failed_percent)
    plan = RunPlan(
        kind=RunKind.BATCH,
        title=batch.name,
        max_parallel=batch.max_parallel,
        stop_failed_percent=None if dry_run else batch.stop_failed_percent,
        spec=_spec(batch, calls, ranges(skipped), dry_run),
    )
    return submit_run(
        actor=actor,
        agent=batch.agent,
        specs=[call.spec for call in calls],
        plan=plan,
        idempotency_key=key,
        request_hash=request_hash,
        allow_missing_models=batch.allow_missing_models,
    )


def _spec(batch: BatchRequest, calls: Sequence[Call], skipped: Sequence[Any], dry_run: bool) -> dict[str, Any]:
    """What was asked for. ``sizes``: rows of each task; ``skipped``: the numbers of rows left out, as ranges."""
    columns = {name: value for name in _COLUMNS if (value := getattr(batch.columns, name))}
    asked = {
        "template": batch.template,
        "system": batch.system,
        "columns": columns,
        "source": batch.source,
        "format": str(batch.table.format),
        "model_name": batch.task.model_name,
        "parameters": dict(batch.task.parameters),
        "skipped": [list(each) for each in skipped],
        "dry_run": dry_run,
        "sizes": [len(call.rows) for call in calls] if batch.task.type == TaskType.EMBED else None,
    }
    return {"rows": _rows(calls), "type": batch.task.type, **{name: value for name, value in asked.items() if value}}


_COLUMNS = ("prompt", "system", "images", "client_ref", "model", "metadata")


def _rows(calls: Iterable[Call]) -> int:
    return sum(len(call.rows) for call in calls)


def _calls(batch: BatchRequest, first: int | None = None) -> tuple[RowMapping, list[Call]]:
    """Of all rows, or of the first so many; each of them checked."""
    rows = batch.table.rows[:first]
    most = settings.DROVER_MAX_TASKS_PER_REQUEST
    if len(rows) > most:
        raise InvalidInput(
            f"There are {len(rows):,} rows, {most:,} may be: send them in several batches.", field="text"
        )
    mapping = mapping_of(batch.table, batch.columns, template=batch.template, system=batch.system)
    filled = filled_rows(batch.table, mapping, rows)
    made = _embeddings(batch, list(filled)) if batch.task.type == TaskType.EMBED else _answers(batch, filled)
    levels = Levels()
    named = [found for name in (batch.agent.preset, batch.task.preset) if (found := levels.preset(name))]
    return mapping, [_checked(batch.agent, call, named) for call in made]


def _answers(batch: BatchRequest, rows: Iterable[Filled]) -> Iterator[Call]:
    for row in rows:
        chat = batch.task.type == TaskType.CHAT
        spec = replace(
            batch.task,
            input="" if chat else row.prompt,
            messages=[{"role": "user", "content": row.prompt}] if chat else None,
            system=row.system,
            images=row.images,
            client_ref=row.client_ref,
            metadata=row.metadata,
            model_name=row.model or batch.task.model_name,
        )
        yield Call(spec, [row])


def _embeddings(batch: BatchRequest, rows: Sequence[Filled]) -> Iterator[Call]:
    """Neighbours for the same model in one call. What each row brought along stays with it."""
    left = iter(rows)
    for size in grouped([row.model for row in rows], settings.DROVER_EMBED_ROWS):
        group = list(islice(left, size))
        notes = [{"client_ref": row.client_ref, "metadata": row.metadata} for row in group]
        spec = replace(
            batch.task,
            input=[row.prompt for row in group],
            images=[image for row in group for image in row.images],
            model_name=group[0].model or batch.task.model_name,
            metadata={"rows": notes} if any(row.client_ref or row.metadata for row in group) else {},
        )
        yield Call(spec, group)


def _checked(agent: Agent, call: Call, presets: Sequence[PresetValues]) -> Call:
    try:
        spec = checked(call.spec)
    except (InvalidInput, PayloadTooLarge) as error:
        error.message = f"{call.rows[0].place}: {error.message}"
        raise
    return Call(replace(spec, content_hash=content_hash(agent, spec, presets)), call.rows)


def content_hash(agent: Agent, spec: TaskSpec, presets: Sequence[PresetValues] = ()) -> str:
    """The same for what would be sent to the same models in the same words."""
    sent = {
        "agent": agent.pk,
        "type": spec.type,
        "models": [full_name(spec.model_name)] if spec.model_name else [agent.default_model, *agent.models],
        "system": agent.prompt_in_force if spec.system is None else spec.system,
        "input": spec.input,
        "messages": spec.messages,
        "images": [hashlib.sha256(image.encode()).hexdigest() for image in spec.images],
        "options": {**agent.options, **spec.own_options},
        "format": spec.format,
        "think": spec.think,
        **({"presets": [[it.name, dict(it.options), it.think] for it in presets]} if presets else {}),
    }
    return hashlib.sha256(json.dumps(sent, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _done(agent: Agent, calls: Sequence[Call]) -> dict[str, int]:
    """By hash: the run in which somebody has had it done. Everybody sees everybody's answers."""
    hashes = [call.spec.content_hash for call in calls]
    found: dict[str, int] = {}
    for start in range(0, len(hashes), _AT_ONCE):
        rows = Task.objects.filter(agent=agent, content_hash__in=hashes[start : start + _AT_ONCE])
        completed = rows.filter(status=TaskStatus.COMPLETED, skipped_because="")
        found.update(completed.order_by("pk").values_list("content_hash", "run_id"))
    return found
