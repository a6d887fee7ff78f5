"""Documents: uploaded, deleted. What is kept is their text; the same text of the same person is kept once."""

from hashlib import sha256
from typing import Any, NamedTuple

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from orchestration import events
from orchestration.errors import InvalidInput, NotFound, PayloadTooLarge
from orchestration.models import Document
from orchestration.permissions import Action, Actor, require
from orchestration.policy.context import needed_tokens
from orchestration.policy.passages import PAGE_BREAK
from orchestration.services import audit, texts

LONGEST_NAME = 200


class Uploaded(NamedTuple):
    """``new`` is False when the person had it already."""

    document: Document
    new: bool


def upload(*, actor: Actor, name: str, file: "UploadedFile[Any]") -> Uploaded:
    """Plain text, Markdown or PDF. Raises Unprocessable and PayloadTooLarge with what to do instead."""
    require(actor, Action.EDIT_DOCUMENT)
    size, most = file.size or 0, settings.DROVER_MAX_DOCUMENT_BYTES
    if size > most:
        words = f"A document has at most {most / 2**20:g} MB; this has {size / 2**20:.1f}."
        raise PayloadTooLarge(words, field="file")
    return _keep(actor, _name(name), texts.read(name, file.read()), size)


def write(*, actor: Actor, name: str, text: str, markdown: bool | None = None) -> Uploaded:
    """A text. Without a word about Markdown the name decides."""
    require(actor, Action.EDIT_DOCUMENT)
    named_so = name.lower().endswith(texts.MARKDOWN_SUFFIXES)
    kind = texts.MARKDOWN if (named_so if markdown is None else markdown) else texts.PLAIN
    plain = texts.cleaned(text).replace("\f", "\n\n")
    return _keep(actor, _name(name), texts.checked(plain, kind), len(text.encode("utf-8", "replace")))


@transaction.atomic
def _keep(actor: Actor, name: str, read: texts.Text, size: int) -> Uploaded:
    digest = sha256(f"{read.media_type}\n{read.text}".encode()).hexdigest()
    known = Document.objects.filter(owner_id=actor.user_id, sha256=digest).first()
    if known:
        return Uploaded(known, new=False)
    document = Document.objects.create(
        owner_id=actor.user_id,
        name=name,
        media_type=read.media_type,
        size_bytes=size,
        sha256=digest,
        text=read.text,
        characters=len(read.text),
        tokens=needed_tokens([read.text]),
        pages=read.text.count(PAGE_BREAK) + 1 if read.media_type == texts.PDF else None,
    )
    audit.record(actor, "document.uploaded", document, size_bytes=size)
    events.on_commit(("document", {"id": document.pk, "change": "created"}))
    return Uploaded(document, new=True)


@transaction.atomic
def delete(*, actor: Actor, document_id: int) -> None:
    """Tasks keep the passages that went into their prompts."""
    document = Document.objects.defer("text").filter(pk=document_id).first()
    if document is None:
        raise NotFound(f"There is no document {document_id}.")
    require(actor, Action.EDIT_DOCUMENT, document)
    audit.record(actor, "document.deleted", document)
    events.on_commit(("document", {"id": document_id, "change": "deleted"}))
    document.delete()


def _name(name: str) -> str:
    """The last part of a path, in one line."""
    last = " ".join(texts.cleaned(name).replace("\\", "/").rsplit("/", 1)[-1].split())
    if not last:
        raise InvalidInput("Give the document a name.", field="name")
    return last if len(last) <= LONGEST_NAME else f"{last[: LONGEST_NAME - 1]}…"
