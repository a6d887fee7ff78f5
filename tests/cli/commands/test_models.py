"""Models and what can be pulled, from the command line."""

VARIANT = {
    "name": "llama3.2:latest",
    "size_bytes": 2_000_000_000,
    "parameter_size": "3.2B",
    "context_length": 131072,
    "capabilities": ["completion", "tools"],
    "loaded_on": ["gpu-a"],
    "installed_on": ["gpu-a", "gpu-b"],
    "differs": True,
}
LISTED = {"node": "gpu-a", "state": "expired", "words": "as of 2 d ago", "looking": True, "error": "it is down"}
PLACE = {
    "node": "gpu-a",
    "loaded": True,
    "installed": True,
    "digest": "a" * 64,
    "same": False,
    "size_bytes": 2_000_000_000,
    "loaded_bytes": 3_000_000_000,
    "listing": LISTED,
}
USE = {
    "tasks": 12,
    "failed": 1,
    "output_tokens": 3_400,
    "tokens_per_second": 31.25,
    "first_token_p50": 0.4,
    "first_token_p95": 2.0,
    "seconds": 75.0,
    "users": 2,
}
MODEL = {
    **VARIANT,
    "quantization": "Q4_K_M",
    "places": [PLACE],
    "details": None,
    "dependents": {"words": "agent writer (its only model)", "named_by": [], "conversations": 0, "tasks": 0},
    "usage": {"name": "llama3.2:latest", "windows": {"24h": USE}, "top_users": [], "top_agents": []},
}
DETAILS = {"template": "{{ .Prompt }}", "parameters": "", "license": "MIT", "system": "", "metadata": {}}


def test_models_are_listed_with_where_they_are_and_what_is_doubtful(drover, server):
    groups = [{"name": "llama3.2", "variants": [VARIANT]}]
    server.on("GET", "models", {"models": groups, "listing": {"nodes": [LISTED]}, "next_cursor": None})
    outcome = drover("models")
    assert outcome.stdout.splitlines()[1] == (
        "llama3.2:latest\t2.0 GB\t3.2B\t131,072\tcompletion, tools\tgpu-a\tgpu-a, gpu-b"
    )
    assert "gpu-a: as of 2 d ago, being looked at again. it is down" in outcome.stderr
    assert "not the same weights everywhere" in outcome.stderr


def test_the_nodes_are_looked_at_again_on_request(drover, server):
    server.on("POST", "models/refresh", (202, {"nodes": ["gpu-a"]}))
    server.on("GET", "models", {"models": [], "listing": {"nodes": []}, "next_cursor": None})
    assert drover("models", "--refresh").exit_code == 0
    assert server.bodies("POST", "models/refresh") == [None]


def test_one_model_is_shown_with_who_needs_it_and_its_use(drover, server):
    server.on("GET", "models/llama3.2", MODEL)
    lines = drover("show", "llama3.2").stdout.splitlines()
    assert lines[0] == "llama3.2:latest · 3.2B · Q4_K_M · 2.0 GB · completion, tools"
    assert lines[2] == "gpu-a\tin memory\taaaaaaaaaaaa (others)\t2.0 GB\t3.0 GB\tas of 2 d ago"
    assert lines[3] == "Depends on it: agent writer (its only model)."
    assert lines[5] == "a day\t12\t1\t3,400\t31.2\t0.4 s\t2.0 s\t1 min 15 s\t2"


def test_details_that_are_not_known_yet_are_asked_for(drover, server):
    server.on("GET", "models/llama3.2", MODEL)
    server.on("GET", "models/llama3.2/details", DETAILS)
    text = drover("show", "llama3.2", "--details").stdout
    assert "template\n{{ .Prompt }}\n" in text
    assert "license\nMIT\n" in text


def test_what_can_be_pulled_is_listed_with_its_size(drover, server):
    tag = {"name": "qwen3:8b", "words": "⬇ downloadable (5.2 GB)", "installed_on": []}
    models = [{"name": "qwen3", "capabilities": ["tools", "thinking"], "tags": [tag]}]
    server.on("GET", "models/catalogue", {"models": models, "fetched_at": None})
    outcome = drover("catalogue", "qwen3", "tools")
    assert outcome.stdout.splitlines()[1] == "qwen3:8b\t⬇ downloadable (5.2 GB)\t\ttools, thinking"
    assert server.queries("models/catalogue") == [{"q": "qwen3 tools"}]
    assert "1 model, the bundled list." in outcome.stderr
