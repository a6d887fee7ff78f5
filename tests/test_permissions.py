"""Who may do what."""

from dataclasses import dataclass

import pytest

from orchestration.errors import NotAllowed
from orchestration.permissions import SYSTEM, Action, Actor, Role, allowed, reaches_others, refusal, require

PEOPLE = {role: Actor(user_id=number, name=role.value, role=role) for number, role in enumerate(Role, start=1)}


@dataclass
class Thing:
    owner_id: int | None


def least(action, owner_of=lambda actor: None):
    """The lowest role that may do this."""
    return next(role for role, actor in PEOPLE.items() if allowed(actor, action, owner_of(actor)))


@pytest.mark.parametrize(
    ("action", "own", "of_others"),
    [
        (Action.VIEW, Role.VIEWER, Role.MAINTAINER),
        (Action.SUBMIT_TASK, Role.OPERATOR, Role.MAINTAINER),
        (Action.CANCEL_TASK, Role.OPERATOR, Role.MAINTAINER),
        (Action.RETRY_TASK, Role.OPERATOR, Role.MAINTAINER),
        (Action.EDIT_TASK, Role.OPERATOR, Role.MAINTAINER),
        (Action.DELETE_TASK, Role.OPERATOR, Role.MAINTAINER),
        (Action.EDIT_AGENT, Role.OPERATOR, Role.MAINTAINER),
        (Action.PAUSE_AGENT, Role.OPERATOR, Role.MAINTAINER),
        (Action.EDIT_CONVERSATION, Role.OPERATOR, Role.MAINTAINER),
        (Action.PIN_MEMORY, Role.OPERATOR, Role.MAINTAINER),
        (Action.EDIT_MEMORY, Role.OPERATOR, Role.MAINTAINER),
        (Action.START_BENCHMARK, Role.OPERATOR, Role.MAINTAINER),
        (Action.VOTE, Role.OPERATOR, Role.MAINTAINER),
        (Action.EDIT_DOCUMENT, Role.OPERATOR, Role.MAINTAINER),
        (Action.EDIT_NODE, Role.MAINTAINER, Role.MAINTAINER),
        (Action.EDIT_MODEL, Role.MAINTAINER, Role.MAINTAINER),
        (Action.ADD_PRESET, Role.OPERATOR, Role.MAINTAINER),
        (Action.REFRESH_MODELS, Role.OPERATOR, Role.MAINTAINER),
        (Action.PAUSE_FOR_ALL, Role.MAINTAINER, Role.MAINTAINER),
        (Action.IMPORT_CONFIG, Role.MAINTAINER, Role.MAINTAINER),
        (Action.REPLACE_CONFIG, Role.ADMIN, Role.ADMIN),
        (Action.EXPORT_SECRETS, Role.ADMIN, Role.ADMIN),
        (Action.CLEAN_UP, Role.MAINTAINER, Role.MAINTAINER),
        (Action.MANAGE_USERS, Role.ADMIN, Role.ADMIN),
        (Action.EDIT_KEY, Role.VIEWER, Role.ADMIN),
    ],
)
def test_the_least_role_for_own_things_and_for_those_of_others(action, own, of_others):
    assert least(action, lambda actor: Thing(actor.user_id)) == own
    assert least(action, lambda actor: Thing(99)) == of_others


def test_every_action_is_decided():
    assert all(allowed(SYSTEM, action) for action in Action)


@pytest.mark.parametrize("action", list(Action))
def test_a_role_may_do_everything_the_one_below_may(action):
    verdicts = [allowed(actor, action, Thing(99)) for actor in PEOPLE.values()]
    assert verdicts == sorted(verdicts)


@pytest.mark.parametrize("action", list(Action))
def test_a_role_reaches_others_when_it_is_allowed_what_belongs_to_them(action):
    assert all(reaches_others(actor, action) == allowed(actor, action, Thing(99)) for actor in PEOPLE.values())


def test_what_belongs_to_nobody_is_not_everybodys():
    nobody = Actor(user_id=None, name="somebody", role=Role.OPERATOR)
    assert refusal(nobody, Action.CANCEL_TASK, Thing(None))


def test_a_refusal_says_which_role_it_takes():
    with pytest.raises(NotAllowed, match="needs the role admin; viewer is viewer") as caught:
        require(PEOPLE[Role.VIEWER], Action.MANAGE_USERS)
    assert caught.value.detail == {"action": "user.manage", "role": "viewer"}


def test_a_key_is_never_more_than_its_owner():
    assert Role.ADMIN.lower_of(Role.VIEWER) == Role.VIEWER
    assert Role.VIEWER.lower_of(Role.ADMIN) == Role.VIEWER
