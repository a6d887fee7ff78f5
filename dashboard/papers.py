"""What documents and images a task was given, as its page shows them."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.urls import reverse

from orchestration import queries
from orchestration.models import Task
from orchestration.policy.passages import Passage, quoted, read

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)
"""Pictures that a browser only draws; what else may call itself an image could carry a script."""


class Picture(NamedTuple):
    data: bytes
    media_type: str


def papers(task: Task) -> dict[str, Any]:
    """``passages`` with their links, how they were chosen, the documents they are from, and addresses of images."""
    found = queries.documents_of_task(task.pk) if task.passages or task.template else []
    known = {document["id"] for document in found}
    passages = read(task.passages)
    return {
        "passages": [_shown(passage, known) for passage in passages],
        "passages_note": task.passages_note,
        "documents": found,
        "quoted": quoted(passages) if passages else "",
        "pictures": [reverse("task-image", args=[task.pk, at]) for at in range(len(images_of(task)))],
    }


def _shown(passage: Passage, known: set[int]) -> dict[str, Any]:
    there = passage.document_id in known
    link = f"{reverse('document', args=[passage.document_id])}?at={passage.start}#at" if there else ""
    return {"number": passage.number, "origin": passage.origin or "Text", "text": passage.text, "link": link}


def images_of(task: Task) -> Sequence[str]:
    """As base64: the task's own, then those of its messages."""
    return [*task.images, *(image for turn in task.messages or () for image in turn.get("images") or ())]


def picture(image: str) -> Picture | None:
    """None for what is no picture that a browser can draw safely."""
    try:
        data = base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError):
        return None
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Picture(data, "image/webp")
    kind = next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), None)
    return Picture(data, kind) if kind else None
