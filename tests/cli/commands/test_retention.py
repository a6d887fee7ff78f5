"""Retention from the command line: nothing goes that was not looked at."""

import pytest

from orchestration.cli.commands import retention

RULE = {
    "id": 4,
    "agent_id": 7,
    "agent": "writer",
    "text_days": 30,
    "task_days": None,
    "keep_collected": True,
    "words": "texts after 30 days",
    "updated_at": "2026-11-21T10:00:00Z",
}
OTHERS = {**RULE, "id": 5, "agent_id": None, "agent": None, "keep_collected": False}
TOTAL = {"texts": 2, "tasks": 1, "bytes": 2048, "oldest": "2026-01-01T00:00:00Z", "newest": "2026-02-01T00:00:00Z"}
NOTHING = {"texts": 0, "tasks": 0, "bytes": 0, "oldest": None, "newest": None}
PLAN = {"as_of": "2026-03-10T12:00:00.000Z", "rules": [], "total": TOTAL, "by_agent": [{"agent": "writer", **TOTAL}]}
ASKED = {
    **{**PLAN, "id": 9, "status": "waiting", "by": "alice", "scheduled": False, "asked_at": "2026-03-10T12:00:01Z"},
    **{"ended_at": None, "stopped_by": None, "expected": 3, "total": NOTHING, "by_agent": []},
}
DONE = {**ASKED, "status": "done", "total": TOTAL}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(retention, "LOOK_SECONDS", 0.0)


@pytest.fixture
def rules(server):
    server.on("GET", "retention", {"rules": [RULE, OTHERS], "next_cleanup_at": "2026-03-11T03:00:00Z", "sink": None})


def planned(call):
    return PLAN if call.query.get("dry_run") == "true" else (202, ASKED)


@pytest.mark.usefixtures("rules")
def test_rules_are_listed(drover):
    lines = drover("retention").stdout.splitlines()
    assert lines[1].startswith("writer\ttexts after 30 days\tstays\t")
    assert lines[2].startswith("(all others)\ttexts after 30 days\tgoes too\t")


@pytest.mark.usefixtures("rules")
def test_what_is_not_named_stays_as_it_is(drover, server):
    server.on("PUT", "retention/4", RULE)
    server.on("PUT", "retention/5", OTHERS)
    assert "writer: texts after 30 days." in drover("retention", "set", "writer", "--task-days", "90").stdout
    drover("retention", "set", "--text-days", "forever", "--keep-collected")
    assert server.bodies("PUT", "retention/4") == [{"text_days": 30, "task_days": 90, "keep_collected": True}]
    assert server.bodies("PUT", "retention/5") == [{"text_days": None, "task_days": None, "keep_collected": True}]


@pytest.mark.usefixtures("rules")
def test_an_agent_without_a_rule_gets_one(drover, server):
    server.on("POST", "retention", (201, RULE))
    drover("retention", "set", "poet", "--text-days", "7", "--drop-collected")
    body = {"agent_id": "poet", "text_days": 7, "task_days": None, "keep_collected": False}
    assert server.bodies("POST", "retention") == [body]


@pytest.mark.usefixtures("rules")
def test_days_are_a_number(drover):
    result = drover("retention", "set", "writer", "--text-days", "soon")
    assert result.exit_code == 2
    assert "no number of days" in result.stderr


@pytest.mark.usefixtures("rules")
def test_a_rule_is_taken_back(drover, server):
    server.on("DELETE", "retention/4", None)
    assert drover("retention", "remove", "writer").exit_code == 0
    assert drover("retention", "remove", "poet").exit_code == 2


def test_a_dry_run_only_looks(drover, server):
    server.on("POST", "outputs/cleanup", planned)
    result = drover("cleanup", "--dry-run")
    assert result.stdout.splitlines()[1].startswith("writer\t2\t1\t2.0 KB\t")
    assert len(server.calls) == 1


def test_nothing_is_removed_without_a_yes(drover, server):
    server.on("POST", "outputs/cleanup", planned)
    result = drover("cleanup")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert len(server.calls) == 1


def test_a_clean_up_removes_what_was_looked_at_and_is_waited_for(drover, server):
    server.on("POST", "outputs/cleanup", planned)
    server.on("GET", "outputs/cleanup/9", {**ASKED, "status": "running"}, DONE)
    result = drover("cleanup", "--yes")
    assert "2 texts and 1 task, 2.0 KB removed." in result.stdout
    assert "3 of 3" in result.stderr
    assert server.bodies("POST", "outputs/cleanup")[1] == {"as_of": PLAN["as_of"], "expected": 3}


def test_one_that_somebody_stops_is_a_failure(drover, server):
    server.on("POST", "outputs/cleanup", planned)
    server.on("GET", "outputs/cleanup/9", {**DONE, "status": "stopped", "stopped_by": "bob"})
    result = drover("cleanup", "--yes")
    assert result.exit_code == 1
    assert "bob stopped it" in result.stderr


def test_nobody_has_to_wait(drover, server):
    server.on("POST", "outputs/cleanup", planned)
    assert "Clean-up 9 is under way." in drover("cleanup", "-y", "--detach").stdout


def test_where_nothing_is_to_be_removed_nothing_is_asked(drover, server):
    server.on("POST", "outputs/cleanup", {**PLAN, "total": NOTHING, "by_agent": []})
    assert drover("cleanup", "--yes").exit_code == 0
    assert len(server.calls) == 1


def test_clean_ups_are_listed_and_stopped(drover, server):
    server.on("GET", "outputs/cleanup", {"clean_ups": [DONE, {**DONE, "scheduled": True}], "next_cursor": None})
    server.on("POST", "outputs/cleanup/9/stop", DONE)
    lines = drover("cleanup", "list").stdout.splitlines()
    assert lines[1].endswith("alice\tdone\t2\t1\t2.0 KB")
    assert "by the clock" in lines[2]
    assert "is stopped" in drover("cleanup", "stop", "9").stdout


def test_scripts_get_the_answer(drover, server):
    server.on("POST", "outputs/cleanup", planned)
    server.on("GET", "outputs/cleanup/9", DONE)
    assert '"as_of"' in drover("cleanup", "--dry-run", "--json").stdout
    assert '"status": "done"' in drover("cleanup", "--yes", "--json").stdout
