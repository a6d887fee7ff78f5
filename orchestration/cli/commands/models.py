"""Models: what is where and how sure that is, one in full, and what can be pulled."""

from typing import Annotated, Any

import typer

from orchestration.cli.arguments import Limit
from orchestration.cli.client import part
from orchestration.cli.session import Session, command
from orchestration.cli.text import ago, counted, line, listed, number, seconds, size

app = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="MODEL", help="A name such as qwen3:8b.", show_default=False)]
Refresh = Annotated[bool, typer.Option("--refresh", help="Have the nodes looked at again first; takes some seconds.")]
WORDS_OF_WINDOW = {"24h": "a day", "7d": "a week", "30d": "a month"}


@command(app, "models")
def list_models(session: Session, limit: Limit = 500, refresh: Refresh = False) -> None:
    """Models on the nodes."""
    if refresh:
        session.client.post("models/refresh")
    answer = session.client.rows("models", "models", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    variants = [variant for model in answer["models"] for variant in model["variants"]]
    columns = ("name", "size", "parameters", "context", "can", "in memory on", "installed on")
    session.out.table(columns, map(_model_row, variants), empty="There are no models.")
    _tell_doubts(session, answer, variants)


def _model_row(model: dict[str, Any]) -> tuple[Any, ...]:
    places = (listed(model["loaded_on"]), listed(model["installed_on"]))
    facts = (number(model["context_length"]), listed(model["capabilities"]))
    return (model["name"], size(model["size_bytes"]), model["parameter_size"], *facts, *places)


def _tell_doubts(session: Session, answer: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    for node in answer.get("listing", {}).get("nodes", []):
        if node["error"] or node["state"] != "fresh":
            words = f"{line(node['node'])}: {node['words']}" + (", being looked at again" if node["looking"] else "")
            session.out.note(f"{words}. {line(node['error'])}".rstrip())
    for model in variants:
        if model.get("differs"):
            session.out.note(
                f"{line(model['name'])} is not the same weights everywhere: drover show {line(model['name'])}"
            )


@command(app, "show")
def show_model(
    session: Session,
    model: Name,
    details: Annotated[bool, typer.Option("--details", help="Template, parameters and licence too.")] = False,
) -> None:
    """One model: where it is, who depends on it, what was done with it."""
    found = session.client.get(f"models/{part(model)}")
    if details and found["details"] is None:
        found["details"] = session.client.get(f"models/{part(model)}/details")
    if session.out.as_json:
        session.out.json(found)
        return
    session.out.say(_facts(found), "bold")
    session.out.table(("node", "state", "weights", "size", "in memory", "listed"), map(_place, found["places"]))
    _tell_use(session, found)
    for title in ("template", "parameters", "license") if details else ():
        if found["details"][title]:
            session.out.say(f"\n{title}", "bold")
            session.out.output(found["details"][title])


def _facts(model: dict[str, Any]) -> str:
    facts = (model["parameter_size"], model["quantization"], size(model["size_bytes"]), listed(model["capabilities"]))
    return " · ".join(filter(None, (line(model["name"]), *map(line, facts))))


def _place(place: dict[str, Any]) -> tuple[Any, ...]:
    state = "in memory" if place["loaded"] else "on disk" if place["installed"] else "deleted"
    weights = line(place["digest"][:12]) + ("" if place["same"] else " (others)")
    memory = size(place["loaded_bytes"]) if place["loaded"] else ""
    return (place["node"], state, weights, size(place["size_bytes"]), memory, place["listing"]["words"])


def _tell_use(session: Session, model: dict[str, Any]) -> None:
    needed = model["dependents"]["words"]
    session.out.say(f"Depends on it: {line(needed)}." if needed else "Nothing depends on it.")
    columns = ("within", "tasks", "failed", "tokens out", "tokens/s", "first token p50", "p95", "GPU time", "users")
    rows = [
        (
            words, use["tasks"], use["failed"], number(use["output_tokens"]), number(use["tokens_per_second"]),
            seconds(use["first_token_p50"]), seconds(use["first_token_p95"]), seconds(use["seconds"]), use["users"],
        )
        for window, words in WORDS_OF_WINDOW.items()
        if (use := model["usage"]["windows"].get(window))
    ]  # fmt: skip
    session.out.table(columns, rows)


@command(app, "catalogue")
def list_catalogue(
    session: Session,
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS...", help="In names and descriptions.")] = None,
) -> None:
    """Models that can be pulled, with their sizes, and what is downloaded already."""
    answer = session.client.get("models/catalogue", q=" ".join(words or []))
    if session.out.as_json:
        session.out.json(answer)
        return
    tags = [(model, tag) for model in answer["models"] for tag in model["tags"]]
    rows = [
        (tag["name"], tag["words"], listed(tag["installed_on"]), listed(model["capabilities"])) for model, tag in tags
    ]
    session.out.table(("name", "", "installed on", "can"), rows, empty="The catalogue has nothing like that.")
    source = f"as the library told {ago(answer['fetched_at'])}" if answer["fetched_at"] else "the bundled list"
    session.out.note(f"{counted(len(answer['models']), 'model')}, {source}.")
