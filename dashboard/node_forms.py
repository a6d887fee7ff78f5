"""What people fill in about nodes: the node itself, a rest, a search. A secret that was typed is never shown again."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from dashboard.forms import GIBIBYTE, split
from dashboard.option_forms import number_field
from orchestration.models import Node
from orchestration.ollama.addresses import OLLAMA_PORT

MOST_GIGABYTES = 1_000_000
PLAIN = ("base_url", "name", "slots_per_model", "verify_tls", "enabled")
REST_HOURS = {"": "until it is resumed", "0.5": "30 minutes", "1": "1 hour", "2": "2 hours", "4": "4 hours"} | {
    "8": "8 hours",
    "24": "a day",
    "168": "a week",
}


class SecretArea(forms.Textarea):
    """What was typed is not drawn again."""

    def format_value(self, value: Any) -> None:
        return None


def _password(autocomplete: str) -> forms.PasswordInput:
    return forms.PasswordInput(attrs={"autocomplete": autocomplete, "spellcheck": "false"})


class NodeForm(forms.Form):
    base_url = forms.CharField(
        label="Address",
        max_length=300,
        widget=forms.TextInput(attrs={"placeholder": "http://gpu-a:11434", "inputmode": "url", "autocomplete": "off"}),
        help_text="Where the server answers, seen from the machine that runs Drover.",
    )
    name = forms.CharField(label="Name", max_length=60, widget=forms.TextInput(attrs={"placeholder": "gpu-a"}))
    slots_per_model = forms.IntegerField(
        label="Slots per model", min_value=1, max_value=1000, help_text="Its OLLAMA_NUM_PARALLEL."
    )
    vram_gb = number_field("Video memory, GB", "unknown", min_value=0, max_value=MOST_GIGABYTES)
    disk_gb = number_field("Disk for models, GB", "unknown", min_value=0, max_value=MOST_GIGABYTES)
    labels = forms.CharField(label="Labels", required=False, widget=forms.TextInput(attrs={"placeholder": "fast, eu"}))
    verify_tls = forms.BooleanField(
        label="Check its TLS certificate",
        required=False,
        initial=True,
        help_text="Without it, whoever stands in between can read and change everything.",
    )
    enabled = forms.BooleanField(label="Enabled", required=False, initial=True)
    token = forms.CharField(label="Token", required=False, max_length=8000, widget=_password("off"))
    user = forms.CharField(
        label="User", required=False, max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    password = forms.CharField(
        label="Password", required=False, strip=False, max_length=4000, widget=_password("new-password")
    )
    drop_credentials = forms.BooleanField(label="Remove the stored credentials", required=False)
    headers = forms.CharField(
        label="Further headers",
        required=False,
        widget=SecretArea(
            attrs={
                "rows": 2,
                "class": "mono",
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "X-Team: blue",
            }
        ),
        help_text="One a line. A name with nothing after its colon keeps the value that is stored.",
    )
    drop_headers = forms.BooleanField(label="Remove the stored headers", required=False)

    def clean_headers(self) -> dict[str, str | None] | None:
        """None where nothing was typed."""
        lines = [line for line in self.cleaned_data["headers"].splitlines() if line.strip()]
        if any(":" not in line for line in lines):
            raise forms.ValidationError("Each line is a name, a colon and a value.")
        pairs = [line.partition(":") for line in lines]
        return {name.strip(): value.strip() or None for name, _, value in pairs} if lines else None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("token") and (data.get("user") or data.get("password")):
            self.add_error("token", "Either a token, or user and password.")
        elif data.get("password") and not data.get("user"):
            self.add_error("user", "Whose password is it?")
        return data

    def values(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            **{name: data[name] for name in PLAIN},
            **self._sizes(),
            "labels": split(data["labels"]),
            **self.secrets(),
        }

    def _sizes(self) -> dict[str, int | None]:
        """Only what was typed anew: what the form shows is rounded."""
        names = [name for name in ("vram", "disk") if f"{name}_gb" in self.changed_data]
        return {f"{name}_bytes": _in_bytes(self.cleaned_data[f"{name}_gb"]) for name in names}

    def secrets(self) -> dict[str, Any]:
        """As services.node_headers takes them: only what is to change."""
        data = self.cleaned_data
        wishes: dict[str, Any] = {}
        if data["token"]:
            wishes["credentials"] = {"type": "bearer", "token": data["token"]}
        elif data["user"]:
            wishes["credentials"] = {"type": "basic", "user": data["user"], "password": data["password"]}
        elif data["drop_credentials"]:
            wishes["credentials"] = None
        if data["headers"] is not None:
            wishes["headers"] = data["headers"]
        elif data["drop_headers"]:
            wishes["headers"] = {}
        return wishes


def _in_bytes(gigabytes: float | None) -> int | None:
    return round(gigabytes * GIBIBYTE) or None if gigabytes else None


def _in_gigabytes(count: int | None) -> float | None:
    return round(count / GIBIBYTE, 3) if count else None


def initial_from_node(node: Node) -> dict[str, Any]:
    return {
        **{name: getattr(node, name) for name in PLAIN},
        "vram_gb": _in_gigabytes(node.vram_bytes),
        "disk_gb": _in_gigabytes(node.disk_bytes),
        "labels": ", ".join(node.labels),
    }


class RestForm(forms.Form):
    note = forms.CharField(
        label="Why",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "a new card goes in"}),
    )
    hours = forms.ChoiceField(label="How long", required=False, choices=list(REST_HOURS.items()))

    def until(self) -> datetime | None:
        hours = self.cleaned_data["hours"]
        return timezone.now() + timedelta(hours=float(hours)) if hours else None


class SearchForm(forms.Form):
    subnets = forms.CharField(
        label="Subnets",
        max_length=1000,
        widget=forms.TextInput(attrs={"placeholder": "192.168.1.0/24", "autocomplete": "off"}),
        help_text="Private networks only, with commas between them; 1,024 addresses at most.",
    )
    ports = forms.CharField(label="Ports", max_length=60, initial=str(OLLAMA_PORT))

    def clean_subnets(self) -> list[str]:
        return split(self.cleaned_data["subnets"])

    def clean_ports(self) -> list[int]:
        words = split(self.cleaned_data["ports"])
        if not all(word.isascii() and word.isdigit() and len(word) <= 5 for word in words):
            raise forms.ValidationError("Ports are numbers, with commas between them.")
        return [int(word) for word in words]
