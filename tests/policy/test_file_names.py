"""Names of folders and files: no text of a person or a model leads out of the folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchestration.policy.file_names import folder_of, stem_of


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("llama3.2:3b", "llama3.2@3b"),
        ("hf.co/team/coder:q4_k_m", "hf.co+team+coder@q4_k_m"),
        ("registry.test:5000/a:b", "registry.test@5000+a@b"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("-rf", "%2Drf"),
        ("a b", "a%20b"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("a+b@c%20", "a%2Bb%40c%2520"),
        ("", "%"),
    ],
)
def test_a_folder_is_called_after_its_model(model: str, folder: str) -> None:
    assert folder_of(model) == folder


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("Name a river!", "7-name-a-river"),
        ("../../etc/passwd", "7-etc-passwd"),
        ("名前 川", "7-名前-川"),
        ("...", "7"),
        ("", "7"),
        ("___", "7"),
    ],
)
def test_a_file_is_called_after_its_task(title: str, stem: str) -> None:
    assert stem_of(7, title) == stem


@given(some.text(max_size=400))
def test_whatever_is_said_makes_one_short_name(text: str) -> None:
    for name in (folder_of(text), stem_of(2**63 - 1, text)):
        assert name not in (".", "..", "")
        assert not {"/", "\\", "\0", "\n"} & set(name)
        assert not name.startswith((".", "-"))
        assert len(name.encode()) <= 200


@given(some.text(max_size=60), some.text(max_size=60))
def test_two_models_never_share_a_folder(one: str, other: str) -> None:
    assert (folder_of(one) == folder_of(other)) == (one == other)


def test_long_names_that_begin_alike_are_kept_apart() -> None:
    one, other = folder_of("ä" * 200), folder_of("ä" * 199 + "ö")
    assert one != other
    assert len(one) == len(other) == 200
