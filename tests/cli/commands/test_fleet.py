"""What was decided about models, from the command line."""

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
