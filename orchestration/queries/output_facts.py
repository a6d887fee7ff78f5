"""What a kept answer is sorted by, read from its row."""

from collections.abc import Iterable

from orchestration.models import Output
from orchestration.policy.output_marks import Facts


def facts_of(row: Output, *, tags: Iterable[str], collections: Iterable[int]) -> Facts:
    return Facts(
        model=row.model_name,
        agent=row.agent_name,
        owner=row.owner_id,
        node=row.node_name,
        type=row.type,
        rating=row.rating,
        has_json=row.has_json,
        chars=row.chars,
        ended_at=row.ended_at,
        tags=tuple(tags),
        collections=tuple(collections),
    )


def current_facts(row: Output) -> Facts:
    """With what people have put it under."""
    tags = row.tags.order_by("tag").values_list("tag", flat=True)
    return facts_of(row, tags=tags, collections=row.collections.order_by("pk").values_list("pk", flat=True))
