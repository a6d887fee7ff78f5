"""What each setting is for, and each as it holds here: its value, where that comes from, and what it is without it."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings

GROUPS: dict[str, dict[str, str]] = {
    "Where things are": {
        "database_url": "postgresql://… or sqlite:///…; without it SQLite in the data folder.",
        "redis_url": "redis://…, rediss://… or unix://…; without it the bundled Redis.",
        "drover_data": "The data folder: database, secret, socket.",
        "ollama_hosts": "Servers to connect at the start, with commas between them.",
        "ollama_host": "The same for one server, as Ollama itself reads it.",
        "drover_catalogue_url": "Where models that can be pulled are looked up; empty: the bundled list alone.",
        "drover_sink_folder": "A folder that gets a file for every answer; empty: none.",
    },
    "The site": {
        "secret_key": "Signs sessions and seals the headers of nodes; the same on every machine.",
        "drover_secrets_keys": "Keys for the headers of nodes instead: the first seals, all of them open.",
        "allowed_hosts": "Names that the site answers to.",
        "csrf_trusted_origins": "Origins behind a TLS proxy, with their scheme.",
        "time_zone": "Of the Django admin.",
        "drover_login_link_seconds": "How long a login link is good for.",
        "drover_metrics_open": "Whether /metrics answers everybody who can reach it, without an API key.",
        "drover_max_body_bytes": "Of one HTTP request.",
        "drover_debug": "Django's debug mode; never where others can see it.",
        "drover_demo": "Simulated servers, as with up --demo.",
    },
    "Nodes and models": {
        "drover_allow_private_nodes": "Nodes may have loopback and private addresses; link-local and metadata never.",
        "drover_slots_per_model": "Requests in flight for each loaded model of a new node: its OLLAMA_NUM_PARALLEL.",
        "drover_max_loaded_models": "Models that a node holds at once, as its OLLAMA_MAX_LOADED_MODELS says.",
        "drover_default_num_ctx": "Context of a task that names none; it gets more where prompt and answer need that.",
        "drover_keep_alive_seconds": "How long models stay loaded.",
        "drover_preload": "Nodes with free room load ahead of time what will be asked for.",
        "drover_pulls_per_node": "Pulls that one node does at once; the others wait.",
        "drover_node_poll_seconds": "Between two looks at each node.",
        "drover_node_failures": "Failed looks in a row until a node is unhealthy.",
        "drover_listing_fresh_seconds": "So long a node's list of models counts as fresh; then it is renewed.",
        "drover_listing_stale_seconds": "A list that is older is looked at again before it is relied on.",
        "drover_embed_cache_ttl": "Seconds for which the vector of a text is known without asking again; 0: never.",
    },
    "Scheduling": {
        "drover_patience_high_seconds": "So long a high task waits for an absent model until a node is emptied for it.",
        "drover_patience_normal_seconds": "How long a normal task waits for that.",
        "drover_patience_low_seconds": "How long a low task waits for that.",
        "drover_stay": "A busy model stays for so many load times before it is displaced.",
        "drover_hot": "A model's last holder is kept where more high tasks than this are expected meanwhile.",
        "drover_preempt": "Runs of low tasks are pushed back, once each, when they are in the way of a late high one.",
        "drover_credit_tokens": "So far a user may be behind the one who has received the most.",
        "drover_pass_seconds": "Between scheduling passes without a wake-up.",
        "drover_lease_seconds": "Of an attempt; then others may act.",
        "drover_lease_renew_seconds": "Between two renewals of a lease.",
    },
    "Workers": {
        "drover_worker_capacity": "Streams at once in one worker.",
        "drover_worker_grace_seconds": "For running tasks when a worker is asked to stop.",
        "drover_worker_stale_seconds": "Without a heartbeat until a worker counts as dead.",
        "drover_extension_call_seconds": "What an agent's extension may take before a call, and after it.",
        "drover_extension_silence_seconds": "A custom task that says nothing for so long is taken to hang.",
    },
    "Retries and time-outs": {
        "drover_max_tries": "Tries of a task that fails in a way that may pass.",
        "drover_retry_delay_seconds": "Before the second try, spread by up to half of itself.",
        "drover_retry_growth": "How many times as long the delay is with each further try.",
        "drover_retry_longest_seconds": "No delay is longer, before it is spread.",
        "drover_connect_timeout_seconds": "To reach a server.",
        "drover_first_object_timeout_seconds": "To its first answer: covers loading the model and reading the prompt.",
        "drover_between_objects_timeout_seconds": "Of silence inside a stream.",
        "drover_circuit_faults": "Attempts in a row that fail by a node's fault until it gets nothing new.",
        "drover_circuit_seconds": "So long it gets nothing; then one run at a time tries whether the fault is gone.",
        "drover_circuit_growth": "How many times as long that is with each such run that fails.",
        "drover_circuit_longest_seconds": "It is never longer.",
        "drover_load_retry_delay_seconds": "After a model could not be loaded on a node; it doubles with each failure.",
        "drover_load_retry_longest_seconds": "That is never longer.",
    },
    "Limits": {
        "drover_max_waiting": "Waiting tasks in all; past it submissions are answered with 429.",
        "drover_max_waiting_per_user": "Waiting tasks of one person.",
        "drover_max_tasks_per_request": "Tasks in one submission, rows of one batch.",
        "drover_embed_rows": "Rows of a batch to embed that share a call, at most.",
        "drover_max_prompt_chars": "Characters of one prompt.",
        "drover_context_tokens": "How much of a prompt documents may take; longer ones are narrowed to passages.",
        "drover_max_document_bytes": "Of one uploaded document.",
        "drover_max_document_chars": "Characters of its text.",
        "drover_max_document_pages": "Pages of a PDF.",
        "drover_pdf_seconds": "For reading one PDF, in a process of its own.",
        "drover_cleanup_hour": "The hour of the day at which what has been kept for long enough is removed.",
    },
}
OTHERS = "Others"
NOT_SHOWN = "set; not shown"
HELP = {name: words for names in GROUPS.values() for name, words in names.items()}
_SECRET = ("key", "secret", "password", "token")
_OF_OTHERS = frozenset({"DROVER_URL", "DROVER_API_KEY", "DROVER_PASSPHRASE", "DROVER_VENV"})
"""Read by the command line and by make."""

Row = dict[str, Any]


def in_force(env: BaseSettings) -> list[Row]:
    """Every setting, group by group. Secrets are told to be set, and no more."""
    groups = {name: title for title, names in GROUPS.items() for name in names}
    order = [*groups, *(name for name in type(env).model_fields if name not in groups)]
    return [_row(env, name, groups.get(name, OTHERS)) for name in order if name in type(env).model_fields]


def _row(env: BaseSettings, name: str, group: str) -> Row:
    default = type(env).model_fields[name].get_default(call_default_factory=True)
    value, source = shown(name, getattr(env, name)), "environment" if name in env.model_fields_set else "default"
    if name == "secret_key" and not value:
        value, source = NOT_SHOWN, "data folder"
    return {
        "name": name.upper(),
        "group": group,
        "help": HELP.get(name, ""),
        "value": value,
        "default": shown(name, default),
        "source": source,
    }


def shown(name: str, value: Any) -> str:
    """As the environment would have it, without anything secret."""
    if value in (None, "", []):
        return ""
    if isinstance(value, SecretStr) or any(
        word in name.split("_") or f"{word}s" in name.split("_") for word in _SECRET
    ):
        return NOT_SHOWN
    if isinstance(value, list):
        return ", ".join(shown(name, each) for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if value < 1e6 else f"{value:.0f}"
    return _without_password(str(value))


def _without_password(text: str) -> str:
    if "://" not in text or not ("@" in text or "?" in text):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return NOT_SHOWN
    _, at, host = parts.netloc.rpartition("@")
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{'…@' if at else ''}{host}{parts.path}{query}"


def unknown(env: BaseSettings, environment: Mapping[str, str] = os.environ) -> list[dict[str, str]]:
    """Names in the environment that look like settings of Drover and are none, with what may have been meant."""
    known = [name.upper() for name in type(env).model_fields]
    found = sorted(name for name in environment if name.startswith("DROVER_") and name not in {*known, *_OF_OTHERS})
    return [{"name": name, "near": next(iter(get_close_matches(name, known, n=1)), "")} for name in found]
