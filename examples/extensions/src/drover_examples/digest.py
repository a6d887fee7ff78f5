"""Task type ``digest``: a text that is too long for the model's context, part by part."""

import textwrap
from collections.abc import Iterator

from orchestration.extensions import TaskContext, TaskHandler


class Digest(TaskHandler):
    """Each part is summarised by itself, and what was written of them is the result."""

    needs = "completion"
    parameters = {
        "type": "object",
        "properties": {
            "part_chars": {"type": "integer", "minimum": 100, "default": 6000},
            "sentences": {"type": "integer", "minimum": 1, "maximum": 20, "default": 2},
        },
        "additionalProperties": False,
    }

    async def run(self, context: TaskContext) -> None:
        sentences = context.parameters.get("sentences", 2)
        text = context.input if isinstance(context.input, str) else "\n".join(context.input)
        parts = list(_parts(text, context.parameters.get("part_chars", 6000)))
        if not parts:
            raise ValueError("there is no text to make a digest of")
        for number, part in enumerate(parts, start=1):
            context.progress(100 * (number - 1) / len(parts), f"part {number} of {len(parts)}")
            async for piece in context.client.generate(f"Summarise in at most {sentences} sentences:\n\n{part}"):
                context.write(piece)
            context.write("\n\n" if number < len(parts) else "")


def _parts(text: str, length: int) -> Iterator[str]:
    """Whole lines where they are short enough."""
    part = ""
    for line in text.splitlines(keepends=True):
        for piece in textwrap.wrap(line, length, drop_whitespace=False) or [line]:
            if part and len(part) + len(piece) > length:
                yield part
                part = ""
            part += piece
    if part.strip():
        yield part
