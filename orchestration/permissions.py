"""Who may do what: four roles, each holding everything the one below holds, and one function that refuses."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from orchestration.errors import NotAllowed


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    MAINTAINER = "maintainer"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def lower_of(self, other: "Role") -> "Role":
        return min(self, other, key=lambda role: role.rank)


class Action(StrEnum):
    VIEW = "view"
    SUBMIT_TASK = "task.submit"
    CANCEL_TASK = "task.cancel"
    RETRY_TASK = "task.retry"
    EDIT_TASK = "task.edit"
    DELETE_TASK = "task.delete"
    EDIT_AGENT = "agent.edit"
    EDIT_WORKFLOW = "workflow.edit"
    PAUSE_AGENT = "agent.pause"
    EDIT_CONVERSATION = "conversation.edit"
    PIN_MEMORY = "memory.pin"
    EDIT_MEMORY = "memory.edit"
    START_BENCHMARK = "benchmark.start"
    VOTE = "comparison.vote"
    EDIT_DOCUMENT = "document.edit"
    EDIT_OUTPUT = "output.edit"
    EDIT_COLLECTION = "collection.edit"
    EDIT_NODE = "node.edit"
    EDIT_MODEL = "model.edit"
    ADD_PRESET = "preset.add"
    REFRESH_MODELS = "model.refresh"
    PAUSE_FOR_ALL = "queue.pause"
    IMPORT_CONFIG = "config.import"
    REPLACE_CONFIG = "config.replace"
    EXPORT_SECRETS = "config.export_secrets"
    CLEAN_UP = "outputs.clean_up"
    MANAGE_USERS = "user.manage"
    EDIT_KEY = "key.edit"


_REQUIRED: dict[Action, Role] = {
    Action.VIEW: Role.VIEWER,
    Action.SUBMIT_TASK: Role.OPERATOR,
    Action.CANCEL_TASK: Role.OPERATOR,
    Action.RETRY_TASK: Role.OPERATOR,
    Action.EDIT_TASK: Role.OPERATOR,
    Action.DELETE_TASK: Role.OPERATOR,
    Action.EDIT_AGENT: Role.OPERATOR,
    Action.EDIT_WORKFLOW: Role.OPERATOR,
    Action.PAUSE_AGENT: Role.OPERATOR,
    Action.EDIT_CONVERSATION: Role.OPERATOR,
    Action.PIN_MEMORY: Role.OPERATOR,
    Action.EDIT_MEMORY: Role.OPERATOR,
    Action.START_BENCHMARK: Role.OPERATOR,
    Action.VOTE: Role.OPERATOR,
    Action.EDIT_DOCUMENT: Role.OPERATOR,
    Action.EDIT_OUTPUT: Role.OPERATOR,
    Action.EDIT_COLLECTION: Role.OPERATOR,
    Action.EDIT_NODE: Role.MAINTAINER,
    Action.EDIT_MODEL: Role.MAINTAINER,
    Action.ADD_PRESET: Role.OPERATOR,
    Action.REFRESH_MODELS: Role.OPERATOR,
    Action.PAUSE_FOR_ALL: Role.MAINTAINER,
    Action.IMPORT_CONFIG: Role.MAINTAINER,
    Action.REPLACE_CONFIG: Role.ADMIN,
    Action.EXPORT_SECRETS: Role.ADMIN,
    Action.CLEAN_UP: Role.MAINTAINER,
    Action.MANAGE_USERS: Role.ADMIN,
    Action.EDIT_KEY: Role.VIEWER,
}

_FOR_OTHERS: dict[Action, Role] = {Action.EDIT_KEY: Role.ADMIN}
"""The role from which other people's objects may be changed too; maintainer where nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whoever acts: a person through a page, an API key that stands for one with its own role, or Drover itself."""

    user_id: int | None
    name: str
    role: Role
    via: str = "system"
    ip: str | None = None


SYSTEM = Actor(user_id=None, name="drover", role=Role.ADMIN)


class Owned(Protocol):
    @property
    def owner_id(self) -> int | None: ...


def allowed(actor: Actor, action: Action, obj: Owned | None = None) -> bool:
    return refusal(actor, action, obj) is None


def refusal(actor: Actor, action: Action, obj: Owned | None = None) -> str | None:
    """Why the actor may not do this, in words for a person; None when it is allowed."""
    required = _REQUIRED[action]
    if actor.role.rank < required.rank:
        return f"This needs the role {required}; {actor.name} is {actor.role}."
    if obj is None or reaches_others(actor, action):
        return None
    if actor.user_id is not None and obj.owner_id == actor.user_id:
        return None
    return f"This belongs to somebody else; changing it needs the role {_role_for_others(action)}."


def reaches_others(actor: Actor, action: Action) -> bool:
    """Whether the role alone is enough, whoever owns the object."""
    return actor.role.rank >= max(_role_for_others(action).rank, _REQUIRED[action].rank)


def _role_for_others(action: Action) -> Role:
    return _FOR_OTHERS.get(action, Role.MAINTAINER)


def require(actor: Actor, action: Action, obj: Owned | None = None) -> None:
    """Raises NotAllowed with the reason in words."""
    reason = refusal(actor, action, obj)
    if reason:
        raise NotAllowed(reason, action=str(action), role=str(actor.role))
