"""Which Drover the command speaks to, and with which key: flags, then the environment, then the configuration file."""

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from orchestration.cli.failures import Misused

DEFAULT_URL = "http://127.0.0.1:8000"
API_PATH = "/api/orchestration"
KEYS = ("url", "api_key")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """``key_kept_back``: the file has a key, and it is for another address than the one that is asked."""

    url: str
    api_key: str = ""
    key_kept_back: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def is_local(self) -> bool:
        return self.host in LOOPBACK


def file_path(environment: Mapping[str, str] = os.environ) -> Path:
    base = environment.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    return folder / "drover" / "config.toml"


def resolve(url: str = "", api_key: str = "", environment: Mapping[str, str] = os.environ) -> Settings:
    """A key from the file goes only to the address beside which it stands there."""
    stored = load(file_path(environment))
    stored_url = normal_url(stored.get("url", "") or DEFAULT_URL)
    chosen = normal_url(url or environment.get("DROVER_URL", "") or stored_url)
    given = api_key or environment.get("DROVER_API_KEY", "")
    if given:
        return Settings(chosen, given.strip())
    stored_key = stored.get("api_key", "")
    if chosen != stored_url:
        return Settings(chosen, key_kept_back=bool(stored_key))
    return Settings(chosen, stored_key)


def normal_url(text: str) -> str:
    """``gpu.lan:8000/`` is ``http://gpu.lan:8000``."""
    text = text.strip()
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or "@" in parts.netloc or any(c.isspace() for c in text):
        raise Misused(f"{text!r} is not the address of a Drover.", f"It looks like {DEFAULT_URL}.")
    path = parts.path.rstrip("/").removesuffix(API_PATH).rstrip("/")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def load(path: Path) -> dict[str, str]:
    """Empty where there is no file."""
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Misused(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misused(
            f"{path} is not valid TOML: {error}.", "Repair it, or write it anew with: drover login"
        ) from error
    _check(path, values)
    return {name: str(value) for name, value in values.items()}


def _check(path: Path, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if name not in KEYS:
            raise Misused(f"{path} has the setting {name!r}, which is not known.", f"It takes {' and '.join(KEYS)}.")
        if not isinstance(value, str):
            raise Misused(f"{path}: {name} must be a text in quotes.")


def save(path: Path, values: Mapping[str, str]) -> None:
    """Readable for its owner alone from its first moment on; the old file stays whole until the new one is."""
    text = "".join(f"{name} = {json.dumps(values[name], ensure_ascii=False)}\n" for name in KEYS if values.get(name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(unfinished).replace(path)
    except OSError as error:
        raise Misused(f"{path} cannot be written: {error.strerror}.") from error


def readable_by_others(path: Path) -> bool:
    """Whether the key in it is open to other people of this machine."""
    return path.exists() and bool(path.stat().st_mode & 0o077) and bool(load(path).get("api_key"))
