"""What people fill in to talk: the first words to an agent, what is said next, a fact to be remembered."""

import base64
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

from django import forms

from dashboard.image_fields import ImagesField
from orchestration.payloads import AgentPayload
from orchestration.services.conversations import TITLE_CHARACTERS, RequestKey, Saying


class SayForm(forms.Form):
    text = forms.CharField(strip=False, error_messages={"required": "Say something."})
    images = ImagesField(required=False)
    form_key = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput, initial=lambda: uuid4().hex)

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        if not text.strip():
            raise forms.ValidationError("Say something.")
        return text.replace("\r\n", "\n")

    def clean_images(self) -> list[str]:
        """As base64."""
        return [base64.b64encode(item.read()).decode() for item in self.cleaned_data["images"]]

    def saying(self) -> Saying:
        return Saying(text=self.cleaned_data["text"], images=self.cleaned_data["images"])

    def request_key(self, place: str) -> RequestKey | None:
        """The same form with the same content in the same place is the same turn, however often it is sent."""
        key = self.cleaned_data["form_key"]
        content = sha256(f"{place} {self.saying()!r}".encode()).hexdigest()
        return RequestKey(key=f"form-{key}", fingerprint=content) if key else None


class StartForm(SayForm):
    agent = forms.TypedChoiceField(label="Agent", coerce=int)

    def __init__(self, *args: Any, agents: Sequence[AgentPayload], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["agent"]
        assert isinstance(choice, forms.TypedChoiceField)
        choice.choices = [(agent["id"], agent["name"]) for agent in agents]


class ChangeForm(forms.Form):
    """What is not sent stays as it is."""

    title = forms.CharField(required=False, max_length=TITLE_CHARACTERS)
    agent = forms.IntegerField(required=False)
