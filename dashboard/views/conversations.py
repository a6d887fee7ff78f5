"""Conversations: the list, one of them with its turns, and what is said and changed in it."""

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.chat_forms import ChangeForm, SayForm, StartForm
from dashboard.forms import saved
from dashboard.talking import documents_to_choose, head_of, shown_turns
from dashboard.views import actor, done, page
from dashboard.views.memories import panel
from orchestration import queries
from orchestration.api.conversations import exported
from orchestration.errors import InvalidInput
from orchestration.models import Conversation
from orchestration.permissions import Action, Actor, refusal
from orchestration.queries.conversations import conversations, get_conversation, tree
from orchestration.queries.ids import id_of
from orchestration.services import conversations as service
from orchestration.services.turns import next_window

PAGE_ROWS = 50


@page
def index(request: HttpRequest) -> HttpResponse:
    who, agents = actor(request), queries.agents()
    default = next((agent["id"] for agent in agents if agent["name"] == "default"), None)
    initial = {"agent": id_of(request.GET.get("agent", "")) or default}
    form = StartForm(request.POST or None, request.FILES or None, agents=agents, initial=initial)
    if request.method == "POST" and form.is_valid() and (made := saved(form, lambda: _start(who, form))):
        return done(request, "", to=reverse("conversation", args=[made.pk]))
    mine = request.GET.get("whose") != "all"
    text = request.GET.get("q", "")
    owner = who.name if mine else ""
    rows, following = conversations(owner=owner, text=text, limit=PAGE_ROWS, cursor=request.GET.get("cursor"))
    context = {
        "form": form,
        "rows": rows,
        "mine": mine,
        "q": text,
        "next_cursor": following,
        "why_not": refusal(who, Action.EDIT_CONVERSATION) or "",
    }
    return render(request, "conversations/index.html", context, status=422 if form.errors else 200)


@transaction.atomic
def _start(who: Actor, form: StartForm) -> Conversation:
    """All of it or nothing: a conversation in which nothing could be said is of no use."""
    made = service.create(actor=who, agent=queries.get_agent(form.cleaned_data["agent"]))
    service.say(actor=who, conversation_id=made.pk, saying=form.saying())
    return made


@require_safe
@page
def detail(request: HttpRequest, conversation_id: int) -> HttpResponse:
    who, row = actor(request), get_conversation(conversation_id)
    found = tree(conversation_id)
    turns, earlier = shown_turns(row, found, everything="all" in request.GET)
    agent = row.agent
    window = next_window(row)
    context = {
        "talk": row,
        "turns": turns,
        "earlier": earlier,
        "head": head_of(turns),
        "window": window,
        "form": SayForm(),
        "agents": queries.agents(),
        "documents": row.documents.all(),
        "choices": documents_to_choose(row),
        "blank_document": {"id": "", "name": "", "tokens": None},
        "context_budget": settings.DROVER_CONTEXT_TOKENS,
        "why_not": refusal(who, Action.EDIT_CONVERSATION, row) or "",
        **(panel(who, agent) if agent else {}),
    }
    return render(request, "conversations/detail.html", context)


@require_POST
@page
def say(request: HttpRequest, conversation_id: int) -> HttpResponse:
    form = _valid(SayForm(request.POST, request.FILES))
    service.say(
        actor=actor(request),
        conversation_id=conversation_id,
        saying=form.saying(),
        request=form.request_key(request.path),
    )
    return _back_to(request, conversation_id)


@require_POST
@page
def edit(request: HttpRequest, conversation_id: int, turn_id: int) -> HttpResponse:
    """New images replace those of the turn; without any they stay."""
    form = _valid(SayForm(request.POST, request.FILES))
    service.edit(
        actor=actor(request),
        conversation_id=conversation_id,
        turn_id=turn_id,
        text=form.cleaned_data["text"],
        images=form.cleaned_data["images"] or None,
        request=form.request_key(request.path),
    )
    return _back_to(request, conversation_id)


def _valid(form: SayForm) -> SayForm:
    if not form.is_valid():
        raise InvalidInput(" ".join(str(words[0]) for words in form.errors.values()))
    return form


@require_POST
@page
def regenerate(request: HttpRequest, conversation_id: int, turn_id: int) -> HttpResponse:
    service.regenerate(actor=actor(request), conversation_id=conversation_id, turn_id=turn_id)
    return _back_to(request, conversation_id)


@require_POST
@page
def choose(request: HttpRequest, conversation_id: int) -> HttpResponse:
    turn_id = id_of(request.POST.get("turn", ""))
    if turn_id is None:
        raise InvalidInput("Say which branch is to be shown.")
    service.choose(actor=actor(request), conversation_id=conversation_id, turn_id=turn_id)
    return _back_to(request, conversation_id)


def _back_to(request: HttpRequest, conversation_id: int) -> HttpResponse:
    return done(request, "", to=f"{reverse('conversation', args=[conversation_id])}#end")


@require_POST
@page
def change(request: HttpRequest, conversation_id: int) -> HttpResponse:
    form = ChangeForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(" ".join(str(words[0]) for words in form.errors.values()))
    agent_id = form.cleaned_data["agent"]
    service.update(
        actor=actor(request),
        conversation_id=conversation_id,
        title=form.cleaned_data["title"] if "title" in request.POST else None,
        agent=queries.get_agent(agent_id) if agent_id is not None else None,
    )
    return done(request, "Saved.", to=reverse("conversation", args=[conversation_id]))


@require_POST
@page
def delete(request: HttpRequest, conversation_id: int) -> HttpResponse:
    service.delete(actor=actor(request), conversation_id=conversation_id)
    return done(request, "The conversation is deleted.", to=reverse("conversations"))


@require_POST
@page
def set_documents(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Exactly those that are ticked."""
    wanted = set(filter(None, map(id_of, request.POST.getlist("documents"))))
    known = set(get_conversation(conversation_id).documents.values_list("pk", flat=True))
    _change_documents(actor(request), conversation_id, attach=wanted - known, detach=known - wanted)
    return done(request, "Saved.", to=reverse("conversation", args=[conversation_id]))


@transaction.atomic
def _change_documents(who: Actor, conversation_id: int, *, attach: set[int], detach: set[int]) -> None:
    for document_id in sorted(detach):
        service.detach(actor=who, conversation_id=conversation_id, document_id=document_id)
    for document_id in sorted(attach):
        service.attach(actor=who, conversation_id=conversation_id, document_id=document_id)


@require_safe
@page
def export(request: HttpRequest, conversation_id: int) -> HttpResponse:
    return exported(conversation_id, "json" if request.GET.get("format") == "json" else "markdown")
