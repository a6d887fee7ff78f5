"""People and their keys."""

from orchestration.models import User
from orchestration.permissions import Role


def test_a_superuser_is_an_admin_whatever_the_column_says():
    assert User(role=Role.VIEWER, is_superuser=True).effective_role == Role.ADMIN
    assert User(role=Role.VIEWER).effective_role == Role.VIEWER
