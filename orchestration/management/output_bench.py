"""What a search over many kept answers costs, the counts beside it included. Leaves no trace."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate, islice

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from orchestration.models import Agent, Output, Run, Task, User, output_index
from orchestration.policy.output_marks import marks_of
from orchestration.policy.states import RunKind, TaskStatus
from orchestration.queries.output_facts import current_facts
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.outputs import search
from orchestration.services import gathering
from orchestration.services.routes import lane_of

VOCABULARY = 30_000
MODELS, AGENTS, USERS, DAYS = 12, 8, 20, 60
PROMPT_WORDS = 25
AT_ONCE = 500
RATED, TAGGED = 0.05, 0.1
TAGS = ("invoice", "draft", "good", "later")
WARM_UP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Seconds that the answers took to be gathered, and bytes of the whole database."""

    answers: int
    gather_seconds: float
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Milliseconds of one kind of question."""

    kind: str
    spent: Sequence[float]

    @property
    def p50(self) -> float:
        return _quantile(self.spent, 0.5)

    @property
    def p95(self) -> float:
        return _quantile(self.spent, 0.95)


def _quantile(spent: Sequence[float], share: float) -> float:
    return sorted(spent)[min(len(spent) - 1, int(share * len(spent)))]


class Words:
    """Words as frequent as those of a language: the n-th takes its share by 1/n."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.all = [f"{'aeiou'[n % 5]}{n:x}word" for n in range(VOCABULARY)]
        self._weights = list(accumulate(1 / (n + 3) for n in range(VOCABULARY)))

    def some(self, count: int) -> list[str]:
        return self.chance.choices(self.all, cum_weights=self._weights, k=count)

    def between(self, first: int, last: int) -> str:
        """One of this rank."""
        return self.chance.choice(self.all[first:last])


def fill(answers: int, words_each: int) -> Filled:
    """On an empty database, through the service that gathers answers in earnest."""
    words, now = Words(1), timezone.now()
    User.objects.bulk_create([User(username=f"user{number}") for number in range(USERS)])
    spent = 0.0
    tasks = _tasks(answers, words, words_each, now)
    while batch := list(islice(tasks, AT_ONCE)):
        Task.objects.bulk_create(batch)
        began = time.perf_counter()
        gathering.keep(batch)
        spent += time.perf_counter() - began
    _rate(words.chance)
    _settle()
    return Filled(answers=answers, gather_seconds=spent, size_bytes=_size())


def _tasks(answers: int, words: Words, words_each: int, now: datetime) -> Iterator[Task]:
    chance = words.chance
    users = list(User.objects.order_by("pk"))
    agents = [Agent.objects.create(name=f"agent{number}") for number in range(AGENTS)]
    lanes = {agent.pk: lane_of(agent, "generate", ["any:latest"], 4096) for agent in agents}
    run = Run.objects.create(kind=RunKind.BATCH, agent=agents[0], agent_name=agents[0].name)
    for number in range(answers):
        agent = chance.choice(agents)
        prompt = words.some(PROMPT_WORDS)
        yield Task(
            run=run,
            position=number,
            owner=chance.choice(users),
            agent=agent,
            agent_name=agent.name,
            lane=lanes[agent.pk],
            type="generate",
            title=" ".join(prompt)[:160],
            status=TaskStatus.COMPLETED,
            model_used=f"model{chance.choices(range(MODELS), [1 / (n + 1) for n in range(MODELS)])[0]}:latest",
            node_name=f"gpu-{chance.randrange(4)}",
            tags=[chance.choice(TAGS)] if chance.random() < TAGGED else [],
            ended_at=now - timedelta(days=DAYS * (1 - number / answers)),
            input=" ".join(prompt),
            output=" ".join(words.some(chance.randint(words_each // 2, words_each * 3 // 2))),
        )


def _rate(chance: random.Random) -> None:
    rows = [row for row in Output.objects.order_by("pk") if chance.random() < RATED]
    for row in rows:
        row.rating = chance.randint(1, 5)
        output_index.remark(row.pk, marks_of(current_facts(row)))
    Output.objects.bulk_update(rows, ["rating"], batch_size=AT_ONCE)


def _settle() -> None:
    """What each database's own daemon, or its first hour, would do."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("ANALYZE")


def _size() -> int:
    sql = "SELECT pg_database_size(current_database())"
    if connection.vendor == "sqlite":
        sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def questions(seed: int = 2) -> dict[str, Callable[[], OutputFilter]]:
    """What people ask, from the rarest word to one that every answer has, by kind."""
    words = Words(seed)
    chance = words.chance

    def text(typed: str, **fields: frozenset[str]) -> OutputFilter:
        return OutputFilter(text=typed, **fields)  # type: ignore[arg-type]

    def model() -> frozenset[str]:
        return frozenset({f"model{chance.randrange(MODELS)}:latest"})

    def agent() -> frozenset[str]:
        return frozenset({f"agent{chance.randrange(AGENTS)}"})

    return {
        "no words, no filter": lambda: text(""),
        "one rare word": lambda: text(words.between(5_000, VOCABULARY)),
        "one usual word": lambda: text(words.between(200, 2_000)),
        "a word that most have": lambda: text(words.between(0, 10)),
        "three words": lambda: text(" ".join(words.between(20, 800) for _ in range(3))),
        "a phrase": lambda: text(f'"{words.between(5, 300)} {words.between(5, 300)}"'),
        "a prefix": lambda: text(f"{words.between(200, VOCABULARY)[:3]}*"),
        "one but not another": lambda: text(f"{words.between(50, 500)} -{words.between(50, 500)}"),
        "a word and a model": lambda: text(words.between(0, 500), model=model()),
        "a word, a model and an agent": lambda: text(words.between(0, 500), model=model(), agent=agent()),
        "a model alone": lambda: text("", model=model()),
        "five stars, a common word": lambda: text(words.between(0, 50), rating=frozenset({"5"})),
        "a tag, best rated first": lambda: replace(text("", tag=frozenset({"invoice"})), sort="rating"),
        "the last week": lambda: replace(text(words.between(0, 500)), since=timezone.now() - timedelta(days=7)),
    }


def measure(each: int) -> list[Cost]:
    """Every kind in turn, so that no kind finds the caches as it left them."""
    asked = questions()
    spent: dict[str, list[float]] = {kind: [] for kind in asked}
    for _ in range(each + WARM_UP):
        for kind, make in asked.items():
            question = make()
            began = time.perf_counter()
            search(question)
            spent[kind].append((time.perf_counter() - began) * 1000)
    return [Cost(kind=kind, spent=times[WARM_UP:]) for kind, times in spent.items()]


def baseline(times: int) -> Cost:
    """The same page without an index: a rare word looked for in every text."""
    words = Words(3)
    spent = []
    for _ in range(times):
        word = words.between(5_000, VOCABULARY)
        began = time.perf_counter()
        found = Task.objects.filter(Q(output__icontains=word) | Q(title__icontains=word), kept__isnull=False)
        list(found.order_by("-pk").values_list("pk", flat=True)[:25])
        spent.append((time.perf_counter() - began) * 1000)
    return Cost(kind="reading every text", spent=spent)
