"""What servers told of sets of weights, and of which nobody has told yet."""

from orchestration.models import ModelDetails, NodeModel


def missing(node_id: int) -> list[tuple[str, str]]:
    """Digest and name of models on the node's disk that nothing is known of beyond the list."""
    rows = NodeModel.objects.filter(node_id=node_id, installed=True).exclude(digest="")
    unknown = rows.exclude(digest__in=ModelDetails.objects.values("digest"))
    return list(unknown.order_by("model__name").values_list("digest", "model__name"))


def details_of(digest: str) -> ModelDetails | None:
    return ModelDetails.objects.filter(pk=digest).first() if digest else None
