"""Whatever the configuration: it comes back byte for byte, and whatever is imported, it is all or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.errors import InvalidConfig
from orchestration.permissions import SYSTEM
from orchestration.policy.transfer import parse, written
from orchestration.services import presets, transfer
from orchestration.services.transfer import Mode

often = settings(
    max_examples=15,
    phases=[phase for phase in Phase if phase != Phase.shrink],  # each example writes hundreds of rows
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
pytestmark = pytest.mark.django_db

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
LABELS = TEXT.map(str.strip).filter(bool)
NAMES = st.sampled_from(["ada", "Ben", "é", "no", "1.5", "x: y", "a b", "true"])
MODELS = st.sampled_from(["llama3.2:latest", "qwen3:8b", "hf.co/a/b:q4", "x:latest"])
THINK = st.sampled_from([None, True, False, "low", "high"])
SECONDS = st.none() | st.floats(1, 1e6)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_k": st.integers(0, 100),
        "seed": st.integers(-(2**40), 2**40),
        "stop": st.lists(TEXT, max_size=2),
    },
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=5,
)


def listed(row: dict[str, st.SearchStrategy[Any]], key: str = "name") -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries(row), max_size=3, unique_by=lambda each: each[key])


def steps() -> st.SearchStrategy[list[dict[str, Any]]]:
    step = st.fixed_dictionaries(
        {"type": st.just("generate"), "input": TEXT.filter(str.strip).filter(lambda text: "{" not in text)},
        optional={"think": st.sampled_from([True, "low"]), "parameters": st.just({"seed": 4}), "max_tries": st.just(2)},
    )
    return st.lists(step, min_size=1, max_size=2).map(
        lambda found: [{"name": f"s_{number}", **each} for number, each in enumerate(found)]
    )


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    nodes = draw(
        listed(
            {
                "name": NAMES,
                "labels": st.lists(LABELS, max_size=2),
                "slots_per_model": st.integers(1, 9),
                "enabled": st.booleans(),
            }
        )
    )
    agent = {
        "name": NAMES,
        "description": TEXT,
        "system_prompt": st.none() | TEXT,
        "models": st.lists(MODELS, max_size=2),
        "options": OPTIONS,
        "think": THINK,
        "answer_schema": st.none()
        | st.just({"type": "object", "properties": {"z": {"type": "string"}, "a": {"const": 1}}}),
        "timeout_seconds": SECONDS,
        "retry_on": st.lists(st.sampled_from(["stream_failed", "unreachable"]), unique=True),
    }
    agents = draw(listed(agent))
    rules = draw(
        listed(
            {"agent": st.sampled_from([None, *(each["name"] for each in agents)]), "text_days": st.integers(1, 99)},
            "agent",
        )
    )
    config = {
        "model_name": MODELS,
        "priority": st.integers(-9, 9),
        "options": OPTIONS,
        "labels": st.lists(LABELS, max_size=2),
    }
    return {
        "drover_config": 1,
        "presets": draw(listed({"name": NAMES, "options": OPTIONS, "think": THINK})),
        "fleet_defaults": draw(
            st.fixed_dictionaries({"options": OPTIONS, "think": THINK, "keep_alive_seconds": SECONDS})
        ),
        "nodes": [{**node, "base_url": f"http://{number}.test"} for number, node in enumerate(nodes)],
        "model_configs": draw(listed(config, "model_name")),
        "agents": agents,
        "workflows": draw(listed({"name": NAMES, "description": TEXT, "steps": steps()})),
        "retention": rules,
    }


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def text(*, yaml: bool = False) -> str:
    return written(transfer.export(actor=SYSTEM), yaml=yaml)


def replace(data: Any, **more: Any) -> transfer.Outcome:
    return transfer.import_(actor=SYSTEM, data=data, mode=Mode.REPLACE, **more)


@pytest.fixture(autouse=True)
def _fresh(redis_server: object, db: None) -> None:
    presets.ensure_built_in()


@often
@given(first=documents(), second=documents(), yaml=st.booleans())
def test_whatever_it_was_and_whatever_it_became_it_comes_back(
    first: dict[str, Any], second: dict[str, Any], yaml: bool
) -> None:
    with taken_back():
        replace(first)
        before = text(yaml=yaml)
        replace(second)
        changed = text(yaml=yaml)
        trial = replace(parse(before.encode(), yaml=yaml), dry_run=True)
        assert text(yaml=yaml) == changed
        assert (trial.changes == []) == (before == changed)
        replace(parse(before.encode(), yaml=yaml))
        assert text(yaml=yaml) == before
        assert replace(parse(before.encode(), yaml=yaml)).changes == []


@often
@given(good=documents(), data=st.data())
def test_whatever_is_put_into_a_field_it_is_all_or_nothing(good: dict[str, Any], data: st.DataObject) -> None:
    with taken_back():
        before = text()
        shape = data.draw(st.sampled_from([shape for shape in transfer.shapes() if good[shape.name]]))
        row = good[shape.name] if shape.single else data.draw(st.sampled_from(good[shape.name]))
        names = [column.name for column in shape.columns or ()] or ["name", "agent", "steps", "inputs", "limits", "odd"]
        row[data.draw(st.sampled_from(names))] = data.draw(JSON)
        try:
            replace(good)
        except InvalidConfig:
            assert text() == before
            return
        once = text()
        replace(parse(once.encode(), yaml=False))
        assert text() == once
