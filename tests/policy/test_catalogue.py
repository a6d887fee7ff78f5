"""The bundled list and what the library told since, as one."""

from orchestration.policy.catalogue import CatalogueModel, CatalogueTag, found, from_plain, merged, tag_named

BUNDLED = CatalogueModel(
    name="qwen3",
    description="Thinks.",
    capabilities=("tools",),
    tags=(
        CatalogueTag(tag="latest", size_bytes=5_200_000_000, parameter_size="8b"),
        CatalogueTag(tag="4b", size_bytes=2_500_000_000, parameter_size="4b"),
    ),
)


def test_what_the_library_left_out_stays_as_it_was_bundled():
    told = CatalogueModel(
        name="qwen3", tags=(CatalogueTag(tag="latest"), CatalogueTag(tag="14b", parameter_size="14b"))
    )
    joined = merged([BUNDLED], [told, CatalogueModel(name="ada")])
    assert [model.name for model in joined] == ["ada", "qwen3"]
    assert (joined[1].description, joined[1].capabilities) == ("Thinks.", ("tools",))
    assert [(tag.tag, tag.size_bytes) for tag in joined[1].tags] == [
        ("latest", 5_200_000_000),
        ("4b", 2_500_000_000),
        ("14b", None),
    ]


def test_what_the_library_told_is_newer():
    told = CatalogueModel(name="qwen3", description="New.", tags=(CatalogueTag(tag="4b", size_bytes=9),))
    [joined] = merged([BUNDLED], [told])
    assert joined.description == "New."
    assert tag_named([joined], "qwen3:4b") == CatalogueTag(tag="4b", size_bytes=9, parameter_size="4b")


def test_a_name_without_a_tag_is_the_latest():
    assert tag_named([BUNDLED], "QWEN3") == BUNDLED.tags[0]
    assert tag_named([BUNDLED], "qwen3:70b") is None
    assert tag_named([BUNDLED], "hub/qwen3") is None


def test_models_are_found_by_all_the_words():
    models = [BUNDLED, CatalogueModel(name="llava", capabilities=("vision",))]
    assert found(models, "THINKS tools") == [BUNDLED]
    assert found(models, "vision qwen") == []
    assert found(models, " ") == models


def test_what_is_stored_comes_back_as_it_was():
    plain = {"name": "qwen3", "description": "Thinks.", "capabilities": ["tools"]}
    assert from_plain({**plain, "tags": [tag.as_json() for tag in BUNDLED.tags]}) == BUNDLED
