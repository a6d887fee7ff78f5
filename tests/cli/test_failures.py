"""Exit statuses are part of the public surface."""

from orchestration.cli import failures


def test_exit_statuses_stay_as_they_are_documented():
    kinds = (failures.WorkFailed, failures.Misused, failures.NoAccess, failures.Unreachable, failures.Refused)
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 3, 4]
    assert (failures.OK, failures.INTERRUPTED) == (0, 130)


def test_what_the_server_said_is_at_hand():
    refusal = failures.Refused("No.", payload={"error": {"code": "conflict", "message": "No.", "detail": {"a": 1}}})
    assert (refusal.code, refusal.detail) == ("conflict", {"a": 1})
    assert (failures.Refused("No.").code, failures.Refused("No.").detail) == ("", {})
    assert failures.Refused("No.", payload={"error": "text"}).code == ""
