"""Nodes, from the command line. Secrets come in by standard input, never as an argument."""

from datetime import UTC, datetime, timedelta

NODE = {
    "id": 1,
    "name": "gpu-a",
    "status": "healthy",
    "base_url": "http://gpu-a:11434",
    "enabled": True,
    "latency_seconds": 0.0021,
    "ollama_version": "0.33.0",
    "models": [
        {"name": "llama3.2:latest", "installed": True, "loaded": True},
        {"name": "qwen3:8b", "installed": True, "loaded": False},
        {"name": "gone:latest", "installed": False, "loaded": False},
    ],
}
TOKEN = "tok-cli-123"


def test_nodes_are_listed_by_the_name_of_their_group(drover, server):
    server.on("GET", "nodes", {"nodes": [NODE], "next_cursor": None})
    assert drover("nodes").stdout.splitlines()[1] == (
        "1\tgpu-a\thealthy\thttp://gpu-a:11434\tllama3.2:latest\t2\t0.33.0\t2 ms"
    )
    assert drover("nodes", "--json").json["nodes"] == [NODE]


def test_nodes_are_added_drained_and_removed(drover, server):
    server.on("POST", "nodes", (201, NODE))
    server.on("POST", "nodes/gpu-a/drain", {**NODE, "status": "draining"})
    server.on("POST", "nodes/gpu-a/resume", NODE)
    server.on("DELETE", "nodes/gpu-a", None)
    assert drover("nodes", "add", "gpu-a", "http://gpu-a:11434", "--slots", "2", "--label", "fast,new").exit_code == 0
    assert server.bodies("POST", "nodes") == [
        {"name": "gpu-a", "base_url": "http://gpu-a:11434", "slots_per_model": 2, "labels": ["fast", "new"]}
    ]
    assert drover("nodes", "drain", "gpu-a").stdout == "Node gpu-a is draining.\n"
    assert drover("nodes", "resume", "gpu-a").stdout == "Node gpu-a is healthy.\n"
    assert drover("nodes", "remove", "gpu-a").exit_code == 0


def test_a_node_that_does_not_answer_is_a_failure_with_what_mends_it(drover, server):
    checks = [
        {"name": "Name", "ok": True, "message": "gpu-a is 10.0.0.1", "fix": ""},
        {"name": "Connection", "ok": False, "message": "refused", "fix": "Start Ollama there."},
        {"name": "Version", "ok": None, "message": "", "fix": ""},
    ]
    server.on("POST", "nodes/gpu-a/test", {"ok": False, "checks": checks})
    outcome = drover("nodes", "test", "gpu-a", "--model", "llama3.2")
    assert outcome.exit_code == 1
    assert "Connection\tfailed\trefused\tStart Ollama there." in outcome.stdout
    assert "Version\tnot tried" in outcome.stdout
    assert server.queries("nodes/gpu-a/test") == [{"model": "llama3.2"}]


def test_a_token_comes_from_the_input_and_is_not_repeated(drover, server):
    server.on("POST", "nodes", (201, NODE))
    outcome = drover(
        "nodes", "add", "gpu-a", "https://gpu-a", "--token", "--header", "X-Team", stdin=f"{TOKEN}\nblue\n"
    )
    assert outcome.exit_code == 0
    (body,) = server.bodies("POST", "nodes")
    assert body["credentials"] == {"type": "bearer", "token": TOKEN}
    assert body["headers"] == {"X-Team": "blue"}
    assert TOKEN not in outcome.stdout + outcome.stderr


def test_a_password_goes_with_its_user(drover, server):
    server.on("PUT", "nodes/gpu-a", NODE)
    assert drover("nodes", "set", "gpu-a", "--user", "ana", stdin="p w\n").exit_code == 0
    assert drover("nodes", "set", "gpu-a", "--no-credentials", "--no-headers", "--vram", "24").exit_code == 0
    assert server.bodies("PUT", "nodes/gpu-a") == [
        {"credentials": {"type": "basic", "user": "ana", "password": "p w"}},
        {"vram_bytes": 24 * 2**30, "credentials": None, "headers": {}},
    ]


def test_what_makes_no_sense_is_misuse(drover, server):
    assert drover("nodes", "set", "gpu-a").exit_code == 2
    assert drover("nodes", "set", "gpu-a", "--token", "--user", "ana").exit_code == 2
    assert drover("nodes", "set", "gpu-a", "--token", stdin="").exit_code == 2
    assert drover("nodes", "drain", "gpu-a", "--for", "soon").exit_code == 2
    assert server.calls == []


def test_a_rest_has_a_note_and_an_end(drover, server):
    server.on("POST", "nodes/gpu-a/drain", {**NODE, "status": "draining"})
    assert drover("nodes", "drain", "gpu-a", "--note", "new card", "--for", "2h").exit_code == 0
    (body,) = server.bodies("POST", "nodes/gpu-a/drain")
    assert body["note"] == "new card"
    left = datetime.fromisoformat(body["until"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=50) < left <= timedelta(hours=2)


def test_one_node_is_shown_with_what_runs_what_failed_and_what_could_be_better(drover, server):
    full = {
        **NODE,
        "vram_bytes": None,
        "learned_bytes": 2_000_000_000,
        "header_names": ["authorization"],
        "labels": ["fast"],
        "draining": True,
        "drained_by": "ana",
        "drain_note": "new card",
        "drain_until": None,
    }
    now = datetime.now(UTC).isoformat()
    report = {
        "node": full,
        "timeline": {"reachable": 0.995, "outages": 1, "spans": []},
        "hints": [{"kind": "spill", "weight": "warn", "words": "40 % runs on the CPU", "fix": "Use less."}],
        "running": [{"task_id": 7, "model": "qwen3:8b", "owner": "bob", "since": now}],
        "failures": [{"task_id": 5, "model": "qwen3:8b", "error": "HTTP 500", "at": now}],
    }
    server.on("GET", "nodes/gpu-a/report", report)
    outcome = drover("nodes", "show", "gpu-a")
    said = outcome.stdout + outcome.stderr
    for words in ("99.50 % of a day", "authorization", "by ana new card", "40 % runs on the CPU", "HTTP 500", "bob"):
        assert words in said
    assert drover("nodes", "show", "gpu-a", "--json").json == report


def test_the_doctor_examines_all_that_are_used_and_compares_versions(drover, server):
    off = {**NODE, "id": 2, "name": "gpu-b", "enabled": False}
    server.on("GET", "nodes", {"nodes": [NODE, off], "next_cursor": None})
    checks = [{"name": "DNS", "ok": True, "message": "fine", "fix": ""}]
    server.on("POST", "nodes/1/test", {"ok": True, "checks": checks}, {"ok": False, "checks": checks})
    lag = {"node": "gpu-a", "version": "0.9.0", "lacks": ["logprobs"], "differs": []}
    server.on("GET", "versions", {"oldest": "0.9.0", "newest": "0.30.2", "behind": [lag]})
    outcome = drover("doctor")
    assert outcome.exit_code == 0
    assert "gpu-a runs 0.9.0, others 0.30.2: lacks logprobs" in outcome.stdout
    assert drover("doctor").exit_code == 1


def test_a_search_tells_which_servers_are_nodes_already(drover, server):
    servers = [{"base_url": "http://10.0.0.5:11434", "version": "0.30.2", "models": 3, "node": "gpu-a"}]
    server.on("POST", "nodes/discover", {"servers": servers, "asked": 254, "complete": False})
    outcome = drover("nodes", "discover", "10.0.0.0/24", "--port", "11434")
    assert "http://10.0.0.5:11434\t0.30.2\t3\tgpu-a" in outcome.stdout
    assert "smaller subnets" in outcome.stderr
    assert server.bodies("POST", "nodes/discover") == [{"subnets": ["10.0.0.0/24"], "ports": [11434]}]
