"""How much context texts need, and the buckets of context sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.context import BUCKETS, IMAGE_TOKENS, bucket, needed_tokens


@pytest.mark.parametrize(
    ("wanted", "size"), [(None, 4096), (1, 4096), (4096, 4096), (4097, 8192), (200_000, 262_144), (10**7, 262_144)]
)
def test_a_request_gets_the_smallest_bucket_that_holds_it(wanted: int | None, size: int) -> None:
    assert bucket(wanted, default=4096) == size


@given(st.integers(1, BUCKETS[-1]), st.sampled_from(BUCKETS))
def test_a_bucket_always_holds_what_was_asked(wanted: int, default: int) -> None:
    assert wanted <= bucket(wanted, default=default) in BUCKETS


def test_text_images_and_answer_add_up() -> None:
    assert needed_tokens([]) == 0
    assert needed_tokens(["x" * 35, "y" * 35]) == 20
    assert needed_tokens(["x" * 35], images=2, answer=250) == 10 + 2 * IMAGE_TOKENS + 250


def test_a_character_that_takes_three_bytes_is_nearly_a_token() -> None:
    assert needed_tokens(["\u6c34" * 70]) == 60
    assert needed_tokens(["\ud800"]) == 1


@given(st.lists(st.text()), st.integers(0, 16), st.integers(0, 10_000))
def test_more_text_never_needs_less(texts: list[str], images: int, answer: int) -> None:
    need = needed_tokens(texts, images=images, answer=answer)
    assert need >= answer + images * IMAGE_TOKENS
    assert needed_tokens([*texts, "more"], images=images, answer=answer) > need
