"""``/metrics`` for Prometheus: what runs and waits where now, and meters of what has ended since the history began."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from orchestration import queries
from orchestration.api.auth import ApiKeyAuth, SessionAuth
from orchestration.api.problems import of_drover
from orchestration.errors import DroverError, NotAuthenticated
from orchestration.payloads import LoadSample
from orchestration.permissions import Action, require
from orchestration.policy.series import WAITS
from orchestration.policy.waits import BOUNDS
from orchestration.queries.history import Key, history_totals

PLACE = ("node", "model")
UP = ("healthy", "draining")


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """With an API key or a session, or for everybody where DROVER_METRICS_OPEN says so."""
    try:
        if not settings.DROVER_METRICS_OPEN:
            _require_viewer(request)
    except DroverError as error:
        return of_drover(request, error)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Drover())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)


def _require_viewer(request: HttpRequest) -> None:
    actor = ApiKeyAuth()(request) or SessionAuth()(request)
    if actor is None:
        raise NotAuthenticated("Send an API key as 'Authorization: Bearer KEY', log in, or set DROVER_METRICS_OPEN.")
    require(actor, Action.VIEW)


class _Drover(Collector):
    """Read anew for each look: the numbers are the database's, whichever process is asked."""

    def collect(self) -> Iterator[Metric]:
        sample = queries.load_sample(timezone.now())
        yield from _of_all(sample)
        yield from _of_models(sample)
        yield from _of_nodes(sample)
        yield from _meters(history_totals())


def _of_all(sample: LoadSample) -> Iterator[Metric]:
    totals = sample["totals"]
    told: dict[str, tuple[str, float | None]] = {
        "drover_tasks_running": ("Attempts that run now.", totals["running"]),
        "drover_tasks_waiting": ("Tasks that have not started.", totals["waiting"]),
        "drover_oldest_wait_seconds": ("How long the longest has waited.", totals["oldest_wait_seconds"]),
        "drover_workers": ("Workers that are alive.", totals["workers_alive"]),
        "drover_worker_streams": ("Streams that they can hold.", totals["worker_capacity"]),
        "drover_worker_streams_in_use": ("Streams that they hold.", totals["worker_in_use"]),
        "drover_redis_up": ("Whether Redis answers.", int(totals["redis"])),
    }
    for name, (words, value) in told.items():
        if value is not None:
            yield GaugeMetricFamily(name, words, value=value)


def _of_models(sample: LoadSample) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("drover_model_waiting", "Tasks that wait for a model.", labels=["model"])
    for model in sample["models"]:
        waiting.add_metric([model["name"]], model["waiting"])
    yield waiting


def _of_nodes(sample: LoadSample) -> Iterator[Metric]:
    up = GaugeMetricFamily("drover_node_up", "Whether a node answers.", labels=["node"])
    slots = GaugeMetricFamily("drover_node_slots", "Requests that its models take at once.", labels=["node"])
    running = GaugeMetricFamily("drover_model_running", "Attempts that run now.", labels=PLACE)
    rate = GaugeMetricFamily("drover_model_tokens_per_second", "Tokens written now.", labels=PLACE)
    memory = GaugeMetricFamily("drover_model_vram_bytes", "Video memory that it takes.", labels=PLACE)
    for node in sample["nodes"]:
        up.add_metric([node["name"]], int(node["status"] in UP))
        _add(slots, [node["name"]], node["slots"])
        for model in node["models"]:
            place = [node["name"], model["name"]]
            _add(running, place, model["running"])
            _add(rate, place, model["tokens_per_second"])
            _add(memory, place, model["vram_bytes"])
    yield from (up, slots, running, rate, memory)


def _add(family: GaugeMetricFamily, labels: list[str], value: float | None) -> None:
    """What nobody knows is left out, never told as nothing."""
    if value is not None:
        family.add_metric(labels, value)


_METERS = {
    "ended": ("drover_attempts", "Attempts that have ended."),
    "errors": ("drover_attempt_errors", "Attempts that failed or were lost."),
    "prompt_tokens": ("drover_prompt_tokens", "Tokens read."),
    "output_tokens": ("drover_output_tokens", "Tokens written."),
    "loads": ("drover_model_loads", "Times a model came into memory."),
}


def _meters(totals: dict[Key, dict[str, Any]]) -> Iterator[Metric]:
    for column, (name, words) in _METERS.items():
        meter = CounterMetricFamily(name, words, labels=PLACE)
        for place, sums in totals.items():
            meter.add_metric(place, sums.get(column, 0))
        yield meter
    waits = HistogramMetricFamily("drover_first_token_seconds", "Time from its start to its first token.", labels=PLACE)
    for place, sums in totals.items():
        if any(name in sums for name in WAITS):
            waits.add_metric(place, _buckets(sums), sum_value=None)
    yield waits


def _buckets(sums: dict[str, Any]) -> list[tuple[str, float]]:
    """Each with all that took no longer."""
    found, below = [], 0.0
    for name, bound in zip(WAITS, (*(f"{each / 1000:.6g}" for each in BOUNDS), "+Inf"), strict=True):
        below += sums.get(name, 0)
        found.append((bound, below))
    return found
