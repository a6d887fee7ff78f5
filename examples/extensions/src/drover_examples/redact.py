"""Agent extension ``redact``: models never see e-mail addresses, and answers have them again."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestration.extensions import AgentExtension, Answer, ModelCall

_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")


class Redact(AgentExtension):
    def before(self, call: ModelCall) -> ModelCall:
        names: dict[str, str] = {}

        def hide(text: str) -> str:
            return _ADDRESS.sub(lambda found: names.setdefault(found.group(), f"<address {len(names) + 1}>"), text)

        return replace(
            call,
            prompt=hide(call.prompt),
            inputs=[hide(text) for text in call.inputs],
            messages=[_changed(message, hide(str(message.get("content", "")))) for message in call.messages],
            system=hide(call.system),
            notes={"names": names},
        )

    def after(self, call: ModelCall, answer: Answer) -> Answer:
        text = answer.text
        for address, name in call.notes["names"].items():
            text = text.replace(name, address)
        return replace(answer, text=text)


def _changed(message: Mapping[str, Any], content: str) -> dict[str, Any]:
    return {**message, "content": content}
