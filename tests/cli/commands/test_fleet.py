"""Nodes and what was decided about models, from the command line."""

NODE = {
    "id": 1,
    "name": "gpu-a",
    "status": "healthy",
    "base_url": "http://gpu-a:11434",
    "latency_seconds": 0.0021,
    "ollama_version": "0.33.0",
    "models": [
        {"name": "llama3.2:latest", "installed": True, "loaded": True},
        {"name": "qwen3:8b", "installed": True, "loaded": False},
        {"name": "gone:latest", "installed": False, "loaded": False},
    ],
}
CONFIG = {
    "id": 4,
    "model_name": "llama3.2:latest",
    "enabled": True,
    "priority": 0,
    "max_concurrent_requests": 5,
    "timeout_seconds": None,
    "keep_alive_seconds": 1800.0,
    "options": {"temperature": 0.2},
    "fallbacks": ["llama2"],
}


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


def test_decisions_are_made_anew_or_changed(drover, server):
    server.on("GET", "model-configs", {"model_configs": [CONFIG], "next_cursor": None})
    server.on("POST", "model-configs", (201, {**CONFIG, "model_name": "qwen3:8b"}))
    server.on("PUT", "model-configs/4", CONFIG)
    assert drover("model-configs", "set", "qwen3:8b", "--max-requests", "2").stdout == "Decided about qwen3:8b.\n"
    assert drover("model-configs", "set", "llama3.2", "--disabled", "--fallbacks", "a,b").exit_code == 0
    assert server.bodies("POST", "model-configs") == [{"model_name": "qwen3:8b", "max_concurrent_requests": 2}]
    assert server.bodies("PUT", "model-configs/4") == [{"enabled": False, "fallbacks": ["a", "b"]}]
    assert drover("model-configs", "set", "llama3.2").exit_code == 2


def test_decisions_are_listed_and_forgotten(drover, server):
    server.on("GET", "model-configs", {"model_configs": [CONFIG], "next_cursor": None})
    server.on("DELETE", "model-configs/4", None)
    assert drover("model-configs").stdout.splitlines()[1] == (
        "4\tllama3.2:latest\tyes\t0\t5\t\t30 min 0 s\ttemperature=0.2\tllama2"
    )
    assert drover("model-configs", "delete", "llama3.2").exit_code == 0
    assert drover("model-configs", "delete", "qwen3").exit_code == 1
