"""Of which weights nobody has told yet."""

from collections.abc import Callable

from django.utils import timezone

from orchestration.models import ModelDetails, Node, NodeModel
from orchestration.queries import model_details


def test_weights_that_are_not_described_yet_are_missing(make_node: Callable[..., Node]) -> None:
    node = make_node(models=("a:1b", "b:1b", "c:1b", "d:1b"))
    for name, digest in (("a:1b", "aaa"), ("b:1b", "bbb"), ("d:1b", "ddd")):
        NodeModel.objects.filter(model__name=name).update(digest=digest)
    NodeModel.objects.filter(model__name="d:1b").update(installed=False)
    ModelDetails.objects.create(digest="aaa", fetched_at=timezone.now())
    assert model_details.missing(node.pk) == [("bbb", "b:1b")]
    assert model_details.details_of("aaa") is not None
    assert model_details.details_of("") is None
