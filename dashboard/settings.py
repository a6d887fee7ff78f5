"""Every setting, read from the environment once, typed, failing loudly.

``Environment`` names each variable with its default; the module below it turns them into Django's settings.
Domain code reads ``django.conf.settings.DROVER_*`` only.
"""

import secrets
import socket
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import dj_database_url
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dashboard.setting_help import in_force, unknown
from orchestration.management.data_folder import socket_path

BASE_DIR = Path(__file__).resolve().parent.parent

Names = Annotated[list[str], NoDecode]


class Environment(BaseSettings):
    """What may be set from outside. Lists are separated by commas, durations are in seconds."""

    model_config = SettingsConfigDict(env_file=None, extra="ignore", hide_input_in_errors=True)

    database_url: str = ""
    redis_url: str = ""
    secret_key: str = ""
    allowed_hosts: Names = Field(default_factory=lambda: ["localhost", "127.0.0.1", "[::1]", socket.gethostname()])
    csrf_trusted_origins: Names = Field(default_factory=list)
    ollama_hosts: Names = Field(default_factory=list)
    drover_secrets_keys: Names = Field(default_factory=list, repr=False)
    ollama_host: str = ""
    time_zone: str = "UTC"

    drover_data: Path = BASE_DIR / "var"
    drover_debug: bool = False
    drover_demo: bool = False
    drover_allow_private_nodes: bool = True
    drover_lease_seconds: float = Field(15, gt=0)
    drover_lease_renew_seconds: float = Field(5, gt=0)
    drover_pass_seconds: float = Field(1, gt=0)
    drover_patience_high_seconds: float = Field(2, ge=0)
    drover_patience_normal_seconds: float = Field(60, ge=0)
    drover_patience_low_seconds: float = Field(300, ge=0)
    drover_stay: float = Field(6, ge=0)
    drover_hot: float = Field(0.5, ge=0)
    drover_preempt: bool = True
    drover_credit_tokens: float = Field(50_000, ge=0)
    drover_preload: bool = True
    drover_max_loaded_models: int = Field(3, ge=1)
    drover_pulls_per_node: int = Field(2, ge=1)
    drover_node_poll_seconds: float = Field(2, gt=0)
    drover_node_failures: int = Field(3, ge=1)
    drover_listing_fresh_seconds: float = Field(21_600, ge=0)
    drover_listing_stale_seconds: float = Field(86_400, ge=0)
    drover_catalogue_url: str = "https://ollama.com/library"
    drover_worker_capacity: int = Field(250, ge=1)
    drover_worker_grace_seconds: float = Field(30, ge=0)
    drover_worker_stale_seconds: float = Field(12, gt=0)
    drover_slots_per_model: int = Field(4, ge=1)
    drover_max_waiting: int = Field(200_000, ge=1)
    drover_max_waiting_per_user: int = Field(100_000, ge=1)
    drover_max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    drover_max_prompt_chars: int = Field(2_000_000, ge=1)
    drover_context_tokens: int = Field(6000, ge=256)
    drover_max_document_bytes: int = Field(20 * 1024 * 1024, ge=1024)
    drover_max_document_chars: int = Field(2_000_000, ge=1)
    drover_max_document_pages: int = Field(1000, ge=1)
    drover_pdf_seconds: float = Field(30, gt=0)
    drover_max_tasks_per_request: int = Field(10_000, ge=1)
    drover_embed_rows: int = Field(64, ge=1)
    drover_connect_timeout_seconds: float = Field(5, gt=0)
    drover_first_object_timeout_seconds: float = Field(900, gt=0)
    drover_between_objects_timeout_seconds: float = Field(120, gt=0)
    drover_max_tries: int = Field(3, ge=1)
    drover_retry_delay_seconds: float = Field(1, ge=0, le=86_400)
    drover_retry_growth: float = Field(2, ge=1, le=100)
    drover_retry_longest_seconds: float = Field(300, ge=0)
    drover_circuit_faults: int = Field(5, ge=1)
    drover_circuit_seconds: float = Field(10, gt=0)
    drover_circuit_growth: float = Field(2, ge=1, le=100)
    drover_circuit_longest_seconds: float = Field(300, gt=0)
    drover_load_retry_delay_seconds: float = Field(1, ge=0)
    drover_load_retry_longest_seconds: float = Field(300, ge=0)
    drover_keep_alive_seconds: float = Field(1800, ge=0)
    drover_default_num_ctx: int = Field(4096, ge=256)
    drover_embed_cache_ttl: float = Field(3600, ge=0)
    drover_extension_call_seconds: float = Field(30, gt=0)
    drover_extension_silence_seconds: float = Field(600, gt=0)
    drover_login_link_seconds: float = Field(900, gt=0)
    drover_metrics_open: bool = False
    drover_cleanup_hour: int = Field(3, ge=-1, le=23)
    drover_sink_folder: str = ""

    @field_validator("allowed_hosts", "csrf_trusted_origins", "ollama_hosts", "drover_secrets_keys", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("drover_secrets_keys")
    @classmethod
    def _long_enough(cls, value: list[str]) -> list[str]:
        if any(len(key) < 16 for key in value):
            raise ValueError("each key has at least 16 characters; make one with: openssl rand -base64 32")
        return value

    @field_validator("drover_data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()


env = Environment()


def _secret_key() -> str:
    """The configured key, or one made at the first start and kept in the data folder, readable by its owner only."""
    if env.secret_key:
        return env.secret_key
    path = env.drover_data / "secret_key"
    if not path.exists():
        env.drover_data.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".secret_key.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(50))
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()


def _databases() -> dict[str, Any]:
    """SQLite unless DATABASE_URL says otherwise; both set up for several writing processes."""
    config: dict[str, Any] = dict(
        dj_database_url.parse(env.database_url)
        if env.database_url
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(env.drover_data / "drover.sqlite3")}
    )
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            # The leading scheduler moves the log into the file every second, so that no commit has to stop for it.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; "
            "PRAGMA wal_autocheckpoint=10000;",
        }
    else:
        config["CONN_MAX_AGE"] = 0
        # Compiling a statement takes PostgreSQL longer than running any of ours.
        config["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 16, "timeout": 20}, "options": "-c jit=off"}
    return {"default": config}


DROVER_DATA = env.drover_data
DROVER_DEMO = env.drover_demo
DROVER_OLLAMA_HOSTS = env.ollama_hosts or ([env.ollama_host] if env.ollama_host else [])
DROVER_SECRETS_KEYS = env.drover_secrets_keys
DROVER_ALLOW_PRIVATE_NODES = env.drover_allow_private_nodes
DROVER_LEASE = timedelta(seconds=env.drover_lease_seconds)
DROVER_LEASE_RENEW = timedelta(seconds=env.drover_lease_renew_seconds)
DROVER_PASS = timedelta(seconds=env.drover_pass_seconds)
DROVER_PATIENCE = {
    0: timedelta(seconds=env.drover_patience_high_seconds),
    1: timedelta(seconds=env.drover_patience_normal_seconds),
    2: timedelta(seconds=env.drover_patience_low_seconds),
}
DROVER_STAY = env.drover_stay
DROVER_HOT = env.drover_hot
DROVER_PREEMPT = env.drover_preempt
DROVER_CREDIT_TOKENS = env.drover_credit_tokens
DROVER_PRELOAD = env.drover_preload
DROVER_MAX_LOADED_MODELS = env.drover_max_loaded_models
DROVER_PULLS_PER_NODE = env.drover_pulls_per_node
DROVER_NODE_POLL = timedelta(seconds=env.drover_node_poll_seconds)
DROVER_NODE_FAILURES = env.drover_node_failures
DROVER_LISTING_FRESH = timedelta(seconds=env.drover_listing_fresh_seconds)
DROVER_LISTING_STALE = timedelta(seconds=env.drover_listing_stale_seconds)
DROVER_CATALOGUE_URL = env.drover_catalogue_url
DROVER_WORKER_CAPACITY = env.drover_worker_capacity
DROVER_WORKER_GRACE = timedelta(seconds=env.drover_worker_grace_seconds)
DROVER_WORKER_STALE = timedelta(seconds=env.drover_worker_stale_seconds)
DROVER_SLOTS_PER_MODEL = env.drover_slots_per_model
DROVER_MAX_WAITING = env.drover_max_waiting
DROVER_MAX_WAITING_PER_USER = env.drover_max_waiting_per_user
DROVER_MAX_BODY_BYTES = env.drover_max_body_bytes
DROVER_MAX_PROMPT_CHARS = env.drover_max_prompt_chars
DROVER_CONTEXT_TOKENS = env.drover_context_tokens
DROVER_MAX_DOCUMENT_BYTES = env.drover_max_document_bytes
DROVER_MAX_DOCUMENT_CHARS = env.drover_max_document_chars
DROVER_MAX_DOCUMENT_PAGES = env.drover_max_document_pages
DROVER_PDF_TIME = timedelta(seconds=env.drover_pdf_seconds)
DROVER_MAX_TASKS_PER_REQUEST = env.drover_max_tasks_per_request
DROVER_EMBED_ROWS = env.drover_embed_rows
DROVER_CONNECT_TIMEOUT = timedelta(seconds=env.drover_connect_timeout_seconds)
DROVER_FIRST_OBJECT_TIMEOUT = timedelta(seconds=env.drover_first_object_timeout_seconds)
DROVER_BETWEEN_OBJECTS_TIMEOUT = timedelta(seconds=env.drover_between_objects_timeout_seconds)
DROVER_MAX_TRIES = env.drover_max_tries
DROVER_RETRY_DELAY = timedelta(seconds=env.drover_retry_delay_seconds)
DROVER_RETRY_GROWTH = env.drover_retry_growth
DROVER_RETRY_LONGEST = timedelta(seconds=env.drover_retry_longest_seconds)
DROVER_CIRCUIT_FAULTS = env.drover_circuit_faults
DROVER_CIRCUIT_PAUSE = timedelta(seconds=env.drover_circuit_seconds)
DROVER_CIRCUIT_GROWTH = env.drover_circuit_growth
DROVER_CIRCUIT_LONGEST = timedelta(seconds=env.drover_circuit_longest_seconds)
DROVER_LOAD_RETRY_DELAY = timedelta(seconds=env.drover_load_retry_delay_seconds)
DROVER_LOAD_RETRY_LONGEST = timedelta(seconds=env.drover_load_retry_longest_seconds)
DROVER_KEEP_ALIVE = timedelta(seconds=env.drover_keep_alive_seconds)
DROVER_DEFAULT_NUM_CTX = env.drover_default_num_ctx
DROVER_EMBED_CACHE_TTL = timedelta(seconds=env.drover_embed_cache_ttl)
DROVER_EXTENSION_CALL = timedelta(seconds=env.drover_extension_call_seconds)
DROVER_EXTENSION_SILENCE = timedelta(seconds=env.drover_extension_silence_seconds)
DROVER_CLEANUP_HOUR = env.drover_cleanup_hour
DROVER_SINK_FOLDER = Path(env.drover_sink_folder).expanduser().resolve() if env.drover_sink_folder else None
DROVER_LOGIN_LINK_LIFETIME = timedelta(seconds=env.drover_login_link_seconds)
DROVER_METRICS_OPEN = env.drover_metrics_open

DROVER_IN_FORCE = in_force(env)
DROVER_UNKNOWN = unknown(env)

DEBUG = env.drover_debug
SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.allowed_hosts
CSRF_TRUSTED_ORIGINS = env.csrf_trusted_origins
DATABASES = _databases()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "orchestration.User"
REDIS_URL = env.redis_url or f"unix://{socket_path(env.drover_data)}"

INSTALLED_APPS = [
    "daphne",
    "dashboard.apps.DroverAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "django_rq",
    "orchestration",
    "dashboard",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "dashboard.staticfiles.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.frame",
            ],
        },
    },
]

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_COOKIE_NAME = "drover_session"
CSRF_COOKIE_NAME = "drover_csrf"
SESSION_COOKIE_SAMESITE = "Lax"
DATA_UPLOAD_MAX_MEMORY_SIZE = DROVER_MAX_BODY_BYTES
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    },
}

LANGUAGE_CODE = "en"
TIME_ZONE = env.time_zone
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = env.drover_data / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

RQ_QUEUES = {
    name: {
        "URL": REDIS_URL,
        "SERIALIZER": "rq.serializers.JSONSerializer",
    }
    for name in ("high", "normal", "low")
}
RQ_SHOW_ADMIN_LINK = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"}},
    "filters": {"without_tokens": {"()": "dashboard.redaction.WithoutTokens"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_tokens"]}},
    "root": {"handlers": ["stderr"], "level": "DEBUG" if env.drover_debug else "INFO"},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "rq": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        "django.channels.server": {"level": "WARNING"},
        "asyncio": {"level": "WARNING"},
    },
}
