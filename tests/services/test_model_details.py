"""What a server told of its weights, as it is kept."""

from datetime import UTC, datetime

import pytest

from orchestration.models import ModelDetails
from orchestration.ollama.wire import ModelDetails as Shown
from orchestration.services import model_details

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def shown(**fields: object) -> Shown:
    kept = {
        "capabilities": ("completion",),
        "context_length": 8192,
        "template": "{{ .Prompt }}",
        "parameters": "stop  x",
        "license": "MIT",
        "system": "",
        "family": "llama",
        "parameter_size": "3B",
        "quantization": "Q4_K_M",
        "model_info": {},
    }
    return Shown(**{**kept, **fields})


@pytest.mark.django_db
def test_long_lists_of_the_metadata_are_left_out() -> None:
    info = {
        "llama.block_count": 28,
        "general.architecture": "llama",
        "tokenizer.ggml.tokens": ["a"] * 100_000,
        "rope.sections": [16, 24, 24],
        "rope.scale": float("nan"),
        "general.tags": None,
        "nested": {"deep": 1},
    }
    row = model_details.record(digest="aaa", shown=shown(model_info=info), at=NOW)
    assert row.metadata == {"llama.block_count": 28, "general.architecture": "llama", "rope.sections": [16, 24, 24]}


@pytest.mark.django_db
def test_a_newer_answer_takes_the_place_of_the_older() -> None:
    model_details.record(digest="aaa", shown=shown(), at=NOW)
    model_details.record(digest="aaa", shown=shown(license="Apache"), at=NOW)
    assert ModelDetails.objects.get().license == "Apache"


@pytest.mark.django_db
def test_texts_that_no_database_takes_are_mended_and_bounded() -> None:
    row = model_details.record(digest="aaa", shown=shown(license="a\0b", template="x" * 300_000), at=NOW)
    row.refresh_from_db()
    assert row.license == "ab"
    assert len(row.template) == model_details.LONGEST_TEXT
