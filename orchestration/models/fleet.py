"""Ollama servers, the models known to the fleet, which node holds which, and what the team decided about each."""

from datetime import timedelta

from django.core.validators import MinValueValidator
from django.db import models

from orchestration.policy.circuit import Circuit
from orchestration.policy.states import NodeHealth


class Node(models.Model):
    """One Ollama server. Health fields are written by the monitor through services.nodes only."""

    name = models.CharField(max_length=60, unique=True)
    base_url = models.CharField(max_length=300, unique=True)
    enabled = models.BooleanField(default=True)
    draining = models.BooleanField(default=False, help_text="Finishes what it has, takes nothing new.")
    slots_per_model = models.PositiveSmallIntegerField(
        default=4,
        validators=[MinValueValidator(1)],
        help_text="Requests in flight per loaded model; set it to the server's OLLAMA_NUM_PARALLEL.",
    )
    vram_bytes = models.BigIntegerField(
        null=True, blank=True, help_text="Video memory, if known. Ollama does not tell."
    )
    labels = models.JSONField(default=list, blank=True)
    verify_tls = models.BooleanField(default=True)
    sealed_headers = models.TextField(blank=True, help_text="Encrypted; services.secrets alone reads and writes it.")
    header_names = models.JSONField(default=list, blank=True, help_text="Of the sealed headers, without their values.")
    disk_bytes = models.BigIntegerField(
        null=True, blank=True, help_text="Room for models on its disk, if known. Ollama does not tell."
    )
    drain_note = models.CharField(max_length=200, blank=True, help_text="Why it takes nothing new, for the others.")
    drain_until = models.DateTimeField(null=True, blank=True, help_text="When it is to work again by itself.")
    drained_by = models.CharField(max_length=150, blank=True)
    drained_at = models.DateTimeField(null=True, blank=True)
    simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    health = models.CharField(max_length=12, choices=[(h, h) for h in NodeHealth], default=NodeHealth.UNKNOWN)
    health_reason = models.CharField(max_length=300, blank=True)
    health_changed_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Failed polls in a row.")
    seen_at = models.DateTimeField(null=True, blank=True)
    polled_at = models.DateTimeField(null=True, blank=True)
    ollama_version = models.CharField(max_length=40, blank=True)
    latency_seconds = models.FloatField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0)

    faults = models.PositiveIntegerField(default=0, help_text="Attempts in a row that failed by its fault.")
    circuit_until = models.DateTimeField(null=True, blank=True, help_text="Until then it takes nothing new.")
    circuit_reason = models.CharField(max_length=300, blank=True, help_text="The last of these failures.")
    learned_bytes = models.BigIntegerField(default=0, help_text="The most that was seen in video memory at once.")
    most_loaded = models.PositiveSmallIntegerField(
        default=0, help_text="The most models that were seen loaded at once."
    )
    reserved_bytes = models.BigIntegerField(default=0, help_text="Kept free for models that others load.")
    reserved_until = models.DateTimeField(null=True, blank=True)
    listed_at = models.DateTimeField(null=True, blank=True, help_text="When it last told what is on its disk.")
    listing_tried_at = models.DateTimeField(null=True, blank=True)
    listing_error = models.CharField(max_length=300, blank=True, help_text="Why the last list was not taken.")
    listing_wanted_at = models.DateTimeField(null=True, blank=True, help_text="Somebody asked for a fresh list.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def circuit(self) -> Circuit:
        return Circuit(faults=self.faults, until=self.circuit_until, reason=self.circuit_reason)

    @property
    def takes_work(self) -> bool:
        return self.enabled and not self.draining and self.health == NodeHealth.HEALTHY


class OllamaModel(models.Model):
    """A model name as known to the fleet, always with its tag (``llama3.2:latest``)."""

    name = models.CharField(max_length=200, unique=True)
    family = models.CharField(max_length=60, blank=True)
    parameter_size = models.CharField(max_length=20, blank=True)
    quantization = models.CharField(max_length=20, blank=True)
    capabilities = models.JSONField(default=list, blank=True)
    context_length = models.PositiveIntegerField(null=True, blank=True)
    size_bytes = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        verbose_name = "model"

    def __str__(self) -> str:
        return self.name


class NodeModel(models.Model):
    """A model installed on one node, and whether it is loaded there right now."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="node_models")
    model = models.ForeignKey(OllamaModel, on_delete=models.CASCADE, related_name="node_models")
    digest = models.CharField(max_length=64, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    modified_at = models.DateTimeField(null=True, blank=True)
    installed = models.BooleanField(default=True, help_text="Off: still loaded, but deleted from the disk.")
    loaded = models.BooleanField(default=False)
    loaded_bytes = models.BigIntegerField(null=True, blank=True)
    vram_bytes = models.BigIntegerField(null=True, blank=True)
    loaded_context = models.PositiveIntegerField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    listed_as = models.CharField(
        max_length=200, blank=True, help_text="Models with the same weights share memory, and one of them is listed."
    )
    pinned = models.BooleanField(default=False, help_text="Kept in memory: loaded when there is room, never displaced.")
    pinned_context = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the usual one.")
    pinned_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "model"], name="one_row_per_node_and_model")]
        verbose_name = "installed model"

    def __str__(self) -> str:
        return f"{self.model.name} on {self.node.name}"


class ModelDetails(models.Model):
    """What a server told of one set of weights: its template, parameters, licence and metadata."""

    digest = models.CharField(max_length=64, primary_key=True)
    template = models.TextField(blank=True)
    system = models.TextField(blank=True)
    parameters = models.TextField(blank=True)
    license = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True, help_text="GGUF metadata, without its long lists.")
    fetched_at = models.DateTimeField()

    class Meta:
        verbose_name = verbose_name_plural = "model details"

    def __str__(self) -> str:
        return self.digest[:12]


class CatalogueEntry(models.Model):
    """One model that can be pulled, by its name without a tag, as the library on the network last told it."""

    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    capabilities = models.JSONField(default=list, blank=True)
    tags = models.JSONField(default=list, blank=True, help_text="Each with tag, size_bytes, parameter_size.")
    fetched_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "catalogue entries"

    def __str__(self) -> str:
        return self.name


class CatalogueState(models.Model):
    """One row, with the key 1: how reading the library on the network went last."""

    tried_at = models.DateTimeField(null=True, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return self.error or "as the library told"


class ModelConfig(models.Model):
    """What the team decides about a model, whether or not it is installed anywhere yet."""

    model_name = models.CharField(max_length=200, unique=True)
    enabled = models.BooleanField(default=True)
    priority = models.SmallIntegerField(default=0, help_text="Among models that do equally well the highest is taken.")
    max_concurrent_requests = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(1)], help_text="Over all nodes together."
    )
    timeout_seconds = models.FloatField(null=True, blank=True, validators=[MinValueValidator(1)])
    max_tries = models.PositiveSmallIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    retry_delay_seconds = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0)])
    retry_growth = models.FloatField(null=True, blank=True, validators=[MinValueValidator(1)])
    retry_on = models.JSONField(
        default=list, blank=True, help_text="Error codes that are tried again; empty: as usual."
    )
    keep_alive_seconds = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0)])
    options = models.JSONField(default=dict, blank=True)
    labels = models.JSONField(default=list, blank=True)
    fallbacks = models.JSONField(default=list, blank=True)
    description = models.TextField(blank=True)
    preset = models.CharField(max_length=60, blank=True, help_text="An execution preset, under its own options.")
    think = models.JSONField(null=True, blank=True)
    allowed_nodes = models.JSONField(
        default=list, blank=True, help_text="Names or labels of nodes that may run it; empty: every one that has it."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["model_name"]
        verbose_name = "model configuration"

    def __str__(self) -> str:
        return self.model_name

    @property
    def timeout(self) -> timedelta | None:
        return None if self.timeout_seconds is None else timedelta(seconds=self.timeout_seconds)
