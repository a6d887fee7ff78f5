"""What can be pulled, joined with what is installed."""

from collections.abc import Callable

from django.utils import timezone

from orchestration.models import CatalogueEntry, CatalogueState, Node, NodeModel
from orchestration.policy.model_names import is_parameter_count
from orchestration.queries import catalogue


def _tags(words: str) -> dict[str, str]:
    [row] = [row for row in catalogue.listing(words=words)["models"] if row["name"] == words]
    return {tag["tag"]: tag["words"] for tag in row["tags"]}


def test_the_bundled_list_has_well_known_models_with_sizes_that_are_bytes() -> None:
    found = catalogue.bundled()
    assert len(found) >= 60
    assert {"llama3.2", "qwen3", "mistral", "nomic-embed-text", "deepseek-r1"} <= {model.name for model in found}
    for model in found:
        assert model.tags, model.name
        for tag in model.tags:
            assert tag.size_bytes is None or tag.size_bytes > 10_000_000, (model.name, tag)
            assert not tag.parameter_size or is_parameter_count(tag.parameter_size), (model.name, tag)


def test_a_tag_says_whether_it_is_downloaded_and_how_large_it_is(make_node: Callable[..., Node]) -> None:
    make_node(models=("qwen3:latest",))
    NodeModel.objects.update(size_bytes=5_200_000_000)
    tags = _tags("qwen3")
    assert tags["latest"] == "✓ downloaded (5.2 GB)"
    assert tags["4b"] == "⬇ downloadable (2.5 GB)"


def test_a_size_that_nobody_told_is_not_made_up_from_the_parameters(db: None) -> None:
    tags = [{"tag": "8b", "size_bytes": None, "parameter_size": "8b"}]
    CatalogueEntry.objects.create(name="newest", tags=tags, fetched_at=timezone.now())
    assert _tags("newest") == {"8b": "⬇ downloadable"}
    assert catalogue.size_of("newest:8b") is None


def test_a_tag_that_only_a_node_knows_is_listed_with_its_model(make_node: Callable[..., Node]) -> None:
    make_node(models=("qwen3:4b-instruct-q8_0",))
    assert _tags("qwen3")["4b-instruct-q8_0"] == "✓ downloaded (2.0 GB)"


def test_the_size_of_a_download_is_known_by_name(db: None) -> None:
    assert catalogue.size_of("llama3.2") == catalogue.size_of("llama3.2:3b") == 2_000_000_000
    assert catalogue.size_of("hub/other") is None


def test_near_names_are_full_names(db: None) -> None:
    assert "mistral:7b" in catalogue.near("mistrel:7b")


def test_it_says_where_it_is_from_and_what_went_wrong(db: None) -> None:
    assert catalogue.listing()["source"] == "bundled"
    CatalogueState.objects.create(pk=1, fetched_at=timezone.now(), error="it did not answer")
    found = catalogue.listing()
    assert (found["source"], found["error"]) == ("library", "it did not answer")
