"""The context of a request: about how much it needs, and the few sizes that requests are put into."""

import math
from collections.abc import Iterable

BUCKETS = (4096, 8192, 16384, 32768, 65536, 131072, 262144)
"""Context sizes in tokens. A request gets the smallest that holds what it asks for."""

BYTES_PER_TOKEN = 3.5
"""Of UTF-8, in round figures: a little more than most tokenizers of today make of English, and about a token for each
character of Chinese. Who estimates too few cuts off the beginning of a prompt."""
IMAGE_TOKENS = 1024
"""Vision models take from a few hundred tokens for an image to a few thousand."""


def bucket(num_ctx: int | None, *, default: int) -> int:
    """The context size a request gets: the smallest bucket that holds what it asks for, the default if it asks nothing.

    Few sizes mean that requests share a loaded model instead of reloading it for each other.
    """
    wanted = default if num_ctx is None else num_ctx
    return next((size for size in BUCKETS if size >= wanted), BUCKETS[-1])


def needed_tokens(texts: Iterable[str], *, images: int = 0, answer: float = 0) -> int:
    """About as much context as these texts, images and an answer of so many tokens take together."""
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return math.ceil(size / BYTES_PER_TOKEN + images * IMAGE_TOKENS + answer)
