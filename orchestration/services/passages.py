"""What documents put into prompts: all of them where they fit, else the passages nearest to the question.

Those are found by embedding in a task that the one with the question waits for, or by shared words where no node has
an embedding model, where that task fails, and where the question is only known when earlier steps have ended.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Exists, F, OuterRef

from orchestration.errors import InvalidInput, Unprocessable
from orchestration.models import Agent, Attempt, Document, ModelConfig, NodeModel, Task, TaskDependency
from orchestration.models.tasks import TaskQuerySet
from orchestration.policy import passages as cutting
from orchestration.policy.context import needed_tokens
from orchestration.policy.estimates import OUTPUT_TOKENS
from orchestration.policy.passages import PASSAGE_TOKENS, Passage, Source
from orchestration.policy.ranking import cosines, shared_words
from orchestration.policy.routing import full_name
from orchestration.policy.states import UNFINISHED, NodeHealth, TaskStatus, TaskType
from orchestration.policy.templates import references
from orchestration.queries.ids import possible
from orchestration.queries.levels import Levels
from orchestration.services.answers import filled
from orchestration.services.quoting import texts_of
from orchestration.services.routes import known_models
from orchestration.services.specs import Papers, TaskSpec

MOST_DOCUMENTS = 50
MOST_CANDIDATES = 256
"""Passages that are embedded for one question: those that share the most words with it."""
LEAST_CANDIDATES = 32
CANDIDATES_OF_A_RUN = 4096
MOST_UNASKED = 2000
"""Passages that wait for a question that is not known yet."""
PASSAGES_OF_A_FAN_OUT = 20_000
"""Over all its items, each of which is asked for by itself while everything else waits."""
EMBEDDING_SECONDS = 300
EMBEDDING_TRIES = 2
DEFAULT_AGENT = "default"
MARKDOWN = "text/markdown"


class Prepared(NamedTuple):
    """``helper``: the task that embeds the passages, to be submitted first."""

    spec: TaskSpec
    helper: TaskSpec | None = None


class _Embedder(NamedTuple):
    agent: Agent
    model: str


def prepared(agent: Agent, specs: Sequence[TaskSpec]) -> list[Prepared]:
    """The tasks with their documents. Raises Unprocessable for a document that does not exist."""
    concerned = sum(bool(spec.context or spec.document_ids) for spec in specs)
    if not concerned:
        return [Prepared(spec) for spec in specs]
    desk = _Desk(agent, specs, max(LEAST_CANDIDATES, min(MOST_CANDIDATES, CANDIDATES_OF_A_RUN // concerned)))
    return [desk.prepare(spec) if spec.context or spec.document_ids else Prepared(spec) for spec in specs]


class _Desk:
    """Cuts each document of a submission once."""

    def __init__(self, agent: Agent, specs: Sequence[TaskSpec], most: int) -> None:
        self._most = most
        self._agents = {agent.pk: agent, **Agent.objects.in_bulk({spec.agent_id for spec in specs if spec.agent_id})}
        self._agent = agent
        self._documents = Document.objects.in_bulk(possible(pk for spec in specs for pk in spec.document_ids))
        self._cut: dict[int, list[Passage]] = {}
        self._room = _Room()
        self._embedders: dict[int, _Embedder | None] = {}

    def prepare(self, spec: TaskSpec) -> Prepared:
        agent = self._agents.get(spec.agent_id or self._agent.pk, self._agent)
        found = self._passages(spec)
        budget = self._room.budget(spec, agent)
        if cutting.within(found, budget):
            return Prepared(_with(spec, cutting.numbered(found), _all(len(found))))
        question = question_of(spec.input, spec.messages)
        if _quotes(spec):
            return Prepared(_later(spec, _Papers(found[:MOST_UNASKED], budget, len(found))))
        papers = _Papers(_likeliest(found, question, self._most), budget, len(found))
        embedder = self._embedder(agent)
        if embedder is None:
            return Prepared(_with(spec, *papers.by_words(question, "no node has an embedding model")))
        return Prepared(_later(spec, papers), _helper(spec, embedder, question, papers.candidates))

    def _passages(self, spec: TaskSpec) -> list[Passage]:
        if len(spec.document_ids) + len(spec.context) > MOST_DOCUMENTS:
            raise InvalidInput(f"A task takes at most {MOST_DOCUMENTS} documents.", field="document_ids")
        found = [passage for pk in dict.fromkeys(spec.document_ids) for passage in self._of_document(pk)]
        sources = [Source(text=item["text"], name=item.get("name", "")) for item in spec.context]
        return [*found, *(passage for source in sources for passage in cutting.cut(source))]

    def _of_document(self, pk: int) -> list[Passage]:
        if pk not in self._documents:
            raise Unprocessable(f"There is no document {pk}.", document=pk, field="document_ids")
        if pk not in self._cut:
            self._cut[pk] = cutting.cut(source_of(self._documents[pk]))
        return self._cut[pk]

    def _embedder(self, agent: Agent) -> _Embedder | None:
        if agent.pk not in self._embedders:
            self._embedders[agent.pk] = _embedder_for(agent)
        return self._embedders[agent.pk]


def source_of(document: Document) -> Source:
    markdown = document.media_type == MARKDOWN
    return Source(text=document.text, name=document.name, document_id=document.pk, markdown=markdown)


class _Room:
    """How much of a prompt documents may take."""

    def __init__(self) -> None:
        self._levels = Levels()
        known = known_models()
        self._contexts = {name: model.context_length for name, model in known.items()}

    def budget(self, spec: TaskSpec, agent: Agent) -> int:
        """Tokens: the task's own wish or the setting, and no more than the models can read beside the question."""
        wish = spec.context_tokens or settings.DROVER_CONTEXT_TOKENS
        longest = spec.own_options.get("num_ctx") or self._of_preset(spec) or self._longest(spec, agent)
        if not longest:
            return int(wish)
        texts = [agent.prompt_in_force if spec.system is None else spec.system, *texts_of(spec)]
        room = int(longest) - needed_tokens(texts, images=len(spec.images), answer=OUTPUT_TOKENS)
        return max(PASSAGE_TOKENS, min(wish, room))

    def _of_preset(self, spec: TaskSpec) -> int | None:
        preset = self._levels.preset(spec.preset)
        return preset.options.get("num_ctx") if preset else None

    def _longest(self, spec: TaskSpec, agent: Agent) -> int | None:
        named = [spec.model_name] if spec.model_name else agent.models
        contexts = [self._contexts.get(full_name(name)) for name in named] or list(self._contexts.values())
        known = [context for context in contexts if context]
        return max(known) if len(known) == len(contexts) and known else None


@dataclass(frozen=True, slots=True)
class _Papers:
    """What may go into a prompt, kept with the task until the choice is made. ``scores``: of an earlier choice."""

    candidates: list[Passage]
    budget: int
    total: int
    scores: Sequence[float] | None = None

    def as_json(self) -> dict[str, Any]:
        candidates = [passage.as_json() for passage in self.candidates]
        return {"candidates": candidates, "budget": self.budget, "total": self.total, "scores": self.scores}

    def by_words(self, question: str, why: str) -> tuple[list[Passage], str]:
        chosen = self._chosen(shared_words(question, [f"{each.heading} {each.text}" for each in self.candidates]))
        return chosen, f"{self._share(chosen)} that share the most words with the question: {why}."

    def by_meaning(self, scores: Sequence[float]) -> tuple[list[Passage], str]:
        chosen = self._chosen(scores)
        return chosen, f"{self._share(chosen)} nearest to the question by embedding."

    def _chosen(self, scores: Sequence[float]) -> list[Passage]:
        return cutting.nearest(self.candidates, scores, self.budget)

    def _share(self, chosen: Sequence[Passage]) -> str:
        return f"{len(chosen)} of {self.total:,} passages fit into {self.budget:,} tokens, those"


def _papers_of(task: Task) -> _Papers:
    kept = (task.template or {})["documents"]
    return _Papers(cutting.read(kept["candidates"]), kept["budget"], kept["total"], kept["scores"])


def _all(count: int) -> str:
    return f"All {count:,} passages fit." if count > 1 else "The whole text fits."


def _with(spec: TaskSpec, chosen: Sequence[Passage], note: str) -> TaskSpec:
    passages = [each.as_json() for each in chosen]
    return replace(spec, papers=Papers(passages=passages, note=note, tokens=cutting.tokens_of(passages)))


def _later(spec: TaskSpec, papers: _Papers) -> TaskSpec:
    template = {**(spec.template or {}), "documents": papers.as_json()}
    return replace(spec, template=template, papers=Papers(tokens=papers.budget))


def question_of(text: str | list[str], messages: Sequence[Mapping[str, Any]] | None) -> str:
    """What the passages have to be near to: the prompt, or the last message of the person."""
    said = [message.get("content", "") for message in messages or () if message.get("role") == "user"]
    last = said[-1] if said else (messages[-1].get("content", "") if messages else "")
    return str(last if messages else text)


def _quotes(spec: TaskSpec) -> bool:
    """Whether its question will only be known when other steps have ended."""
    return bool(spec.template and references(question_of(spec.input, spec.messages)))


def _likeliest(found: Sequence[Passage], question: str, most: int) -> list[Passage]:
    if len(found) <= most:
        return list(found)
    scores = shared_words(question, [f"{each.heading} {each.text}" for each in found])
    best = sorted(range(len(found)), key=lambda at: (-scores[at], at))[:most]
    return [found[at] for at in sorted(best)]


def _helper(spec: TaskSpec, embedder: _Embedder, question: str, candidates: Sequence[Passage]) -> TaskSpec:
    """The question's beginning is enough: an embedding model reads a few hundred tokens."""
    about = next((line.strip() for line in (spec.title or question).splitlines() if line.strip()), "a question")
    return TaskSpec(
        type=TaskType.EMBED,
        input=[question[:2000], *(f"{each.heading}\n{each.text}".strip() for each in candidates)],
        model_name=embedder.model,
        agent_id=embedder.agent.pk,
        priority=spec.priority,
        title=f"Passages for “{about[:120]}”",
        tags=spec.tags,
        timeout_seconds=EMBEDDING_SECONDS,
        max_tries=EMBEDDING_TRIES,
    )


def _embedder_for(agent: Agent) -> _Embedder | None:
    """The agent itself where it may use an embedding model, else the default one."""
    able = _embedding_models()
    default = Agent.objects.filter(name=DEFAULT_AGENT).first()
    for who in filter(None, (agent, default)):
        allowed = {full_name(name) for name in who.models}
        usable = [name for name in able if not allowed or name in allowed]
        preferred = full_name(str((who.routing_preferences or {}).get(TaskType.EMBED, "")))
        if usable:
            return _Embedder(who, preferred if preferred in usable else usable[0])
    return None


def _embedding_models() -> list[str]:
    """Enabled ones on nodes that answer, those first that the team prefers or that are loaded."""
    rows = NodeModel.objects.filter(installed=True, node__enabled=True, node__draining=False)
    rows = rows.filter(node__health=NodeHealth.HEALTHY)
    configs = dict(ModelConfig.objects.values_list("model_name", "priority"))
    disabled = set(ModelConfig.objects.filter(enabled=False).values_list("model_name", flat=True))
    found: dict[str, tuple[int, bool]] = {}
    for name, abilities, loaded in rows.values_list("model__name", "model__capabilities", "loaded"):
        if name not in disabled and ("embedding" in abilities or (not abilities and "embed" in name)):
            found[name] = (configs.get(name, 0), loaded or found.get(name, (0, False))[1])
    return sorted(found, key=lambda name: (-found[name][0], not found[name][1], name))


def for_each_of(task: Task, values: Mapping[str, str], items: int) -> dict[str, Any]:
    """The documents of a fan-out step for each of so many items: of many, those likeliest by what all items ask."""
    papers, fields = _papers_of(task), filled(task.template or {}, values)
    question = question_of(fields.get("input", task.input), fields.get("messages", task.messages))
    most = max(LEAST_CANDIDATES, PASSAGES_OF_A_FAN_OUT // max(1, items))
    if papers.scores or len(papers.candidates) <= most:
        return papers.as_json()
    return replace(papers, candidates=_likeliest(papers.candidates, question, most)).as_json()


def choose(task: Task, values: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a task whose template has ``documents``, now that all it waited for has ended. Never fails."""
    papers = _papers_of(task)
    fields = filled(task.template or {}, values)
    question = question_of(fields.get("input", task.input), fields.get("messages", task.messages))
    scores, why = (papers.scores, "") if papers.scores else _scores_of(task, len(papers.candidates))
    chosen, note = papers.by_meaning(scores) if scores else papers.by_words(question, why)
    found: dict[str, Any] = {"passages": [each.as_json() for each in chosen], "passages_note": note, "message": note}
    if scores:
        kept = replace(papers, scores=list(scores))
        found["template"] = {**(task.template or {}), "documents": kept.as_json()}
    return found


def embedding_for(task_ids: Collection[int]) -> TaskQuerySet:
    """The tasks, in runs of their own, that embed the passages of these ones."""
    return Task.objects.filter(type=TaskType.EMBED, dependents__task__in=task_ids, dependents__soft=True).exclude(
        dependents__task__run=F("run")
    )


def in_vain(task_ids: Collection[int]) -> list[int]:
    """Of those the ones that are unfinished although nobody waits for them any more."""
    waiting = TaskDependency.objects.filter(needs=OuterRef("pk"), task__status__in=UNFINISHED)
    rows = embedding_for(task_ids).filter(~Exists(waiting), status__in=UNFINISHED)
    return list(rows.order_by("pk").values_list("pk", flat=True).distinct())


def _scores_of(task: Task, count: int) -> tuple[Sequence[float] | None, str]:
    """From the task that embedded the passages, whose vectors and texts nobody needs any more; or why none."""
    elsewhere = Task.objects.filter(dependents__task=task, type=TaskType.EMBED).exclude(run=task.run_id)
    helper = elsewhere.order_by("pk").first()
    if helper is None:
        return None, "there was no question to embed when the run began"
    if helper.status != TaskStatus.COMPLETED:
        verb = "was" if helper.status == TaskStatus.CANCELLED else "has"
        return None, f"embedding them {verb} {helper.status} ({helper.error or 'no reason given'})"[:200]
    vectors = helper.vectors or []
    if len(vectors) != count + 1:
        return None, "their vectors are gone"
    done = f"{len(vectors)} vectors were compared to choose passages for task {task.pk}. They are not kept."
    Task.objects.filter(pk=helper.pk).update(vectors=None, output=done, input=helper.input[:1])
    Attempt.objects.filter(task=helper.pk).update(request=None)
    return [round(score, 5) for score in cosines(vectors[0], vectors[1:])], ""
