"""How Drover is doing, from the command line."""

METRICS = {
    "total": 1234,
    "completed": 1200,
    "failed": 12,
    "cancelled": 2,
    "pending": 15,
    "running": 5,
    "success_rate": 0.9901,
    "by_model": {"llama3.2:latest": {"completed": 1200, "failed": 12}},
    "by_node": {"gpu-a": {"completed": 1200, "failed": 12}},
    "routing": {},
}


def _health(ok):
    checks = {"redis": {"ok": ok, "message": "answers" if ok else "does not answer"}}
    return (200 if ok else 503), {"status": "ok" if ok else "degraded", "checks": checks}


def test_a_part_that_is_not_alive_is_a_failure(drover, server):
    server.on("GET", "metrics", METRICS)
    server.on("GET", "/healthz", _health(True))
    assert drover("status").exit_code == 0
    assert drover("status", "--json").json["metrics"] == METRICS
    server.on("GET", "/healthz", _health(False))
    outcome = drover("status")
    assert outcome.exit_code == 1
    assert "redis\tfailed\tdoes not answer" in outcome.stdout
    assert "doctor" in outcome.stderr


def test_totals_are_told_by_model_and_node(drover, server):
    server.on("GET", "metrics", METRICS)
    shown = drover("metrics").stdout
    assert "total:     1,234\n" in shown
    assert "success:   99.0%\n" in shown
    assert "llama3.2:latest\t1200\t12" in shown


def test_failed_tries_are_listed_with_what_became_of_them(drover, server):
    row = {
        "task_id": 31,
        "attempt": 1,
        "at": "2026-11-21T10:00:00.000Z",
        "node": "gpu-a",
        "model": "llama3.2",
        "error_code": "unreachable",
        "error": "no connection",
        "retry_at": "2026-11-21T10:00:01.000Z",
    }
    server.on("GET", "errors", {"errors": [row], "next_cursor": None})
    assert drover("errors").stdout.splitlines()[1].endswith("gpu-a\tllama3.2\tunreachable\tno connection (tried again)")


def test_workers_are_listed_with_their_state(drover, server):
    row = {
        "name": "w1",
        "hostname": "box",
        "pid": 7,
        "capacity": 250,
        "in_use": 3,
        "stopping": False,
        "alive": True,
        "seen_at": "2026-11-21T10:00:00.000Z",
    }
    workers = [row, {**row, "stopping": True}, {**row, "alive": False}]
    server.on("GET", "workers", {"workers": workers, "next_cursor": None})
    lines = drover("workers").stdout.splitlines()[1:]
    assert lines[0].startswith("w1\tbox\t7\t3/250\tok\t")
    assert [line.split("\t")[4] for line in lines] == ["ok", "stopping", "lost"]
