"""Collections: made and filled from the page of outputs, renamed and deleted where they are shown."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from dashboard.views import actor, done, page
from orchestration.errors import InvalidInput
from orchestration.queries.collections import get_collection
from orchestration.queries.ids import id_of
from orchestration.services import collections as service


def url_of(collection_id: int) -> str:
    return f"{reverse('outputs')}?collection={collection_id}"


@require_POST
@page
def collect(request: HttpRequest) -> HttpResponse:
    """The ticked answers into a collection; ``name`` makes a new one of them."""
    who = actor(request)
    ids = [number for text in request.POST.getlist("ids") if (number := id_of(text)) is not None]
    if not ids:
        raise InvalidInput("Tick some answers first.", field="ids")
    chosen, name = id_of(request.POST.get("collection", "")), request.POST.get("name", "").strip()
    if chosen is None and not name:
        raise InvalidInput("Choose a collection, or name a new one.", field="collection")
    if chosen is None:
        row = service.create(actor=who, name=name, task_ids=ids)
        return done(request, f"{len(ids)} in the new collection {row.name}.")
    added, name = service.add(actor=who, collection_id=chosen, task_ids=ids), get_collection(chosen).name
    if added < len(ids):
        return done(request, f"{added} of {len(ids)} added to {name}, the rest was in it already.")
    return done(request, f"{added} added to {name}.")


@require_POST
@page
def take_out(request: HttpRequest, collection_id: int) -> HttpResponse:
    ids = [number for text in request.POST.getlist("ids") if (number := id_of(text)) is not None]
    gone = service.remove(actor=actor(request), collection_id=collection_id, task_ids=ids)
    return done(request, f"{gone} taken out of {get_collection(collection_id).name}.")


@require_POST
@page
def edit(request: HttpRequest, collection_id: int) -> HttpResponse:
    changes = {name: request.POST[name] for name in ("name", "description") if name in request.POST}
    row = service.edit(actor=actor(request), collection_id=collection_id, **changes)
    return done(request, f"{row.name} is saved.", to=url_of(row.pk))


@require_POST
@page
def delete(request: HttpRequest, collection_id: int) -> HttpResponse:
    name = get_collection(collection_id).name
    service.delete(actor=actor(request), collection_id=collection_id)
    return done(request, f"The collection {name} is deleted. Its answers stay.", to=reverse("outputs"))
