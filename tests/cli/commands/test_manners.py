"""Presets, the fleet's defaults, what holds and the forecast, as commands."""

FAST = {
    "id": 4,
    "name": "fast",
    "description": "Short.",
    "options": {"num_predict": 512},
    "think": False,
    "built_in": True,
}
DEFAULTS = {
    **{"default_model": "llama3.2:latest", "preset": "precise", "options": {"seed": 1}, "think": None},
    **{"timeout_seconds": 30, "keep_alive_seconds": None},
}


def test_presets_are_listed_with_their_values(drover, server):
    server.on("GET", "presets", {"presets": [FAST], "next_cursor": None})
    assert drover("presets").stdout.splitlines()[1] == "4\tfast\tnum_predict=512, think=false\tShort."


def test_a_preset_is_shown_with_what_uses_it(drover, server):
    server.on("GET", "presets/fast", {**FAST, "used_by": [{"words": "agent writer"}]})
    assert "agent writer" in drover("presets", "show", "fast").stdout


def test_presets_are_added_changed_restored_and_deleted(drover, server):
    server.on("POST", "presets", (201, {**FAST, "name": "mine"}))
    server.on("PUT", "presets/mine", {**FAST, "name": "ours"})
    server.on("POST", "presets/fast/restore", FAST)
    server.on("DELETE", "presets/ours", None)
    added = drover("presets", "add", "mine", "--option", "temperature=0.5", "--think", "off")
    assert added.stdout == "Preset mine has the id 4.\n"
    assert drover("presets", "set", "mine", "--name", "ours", "--think", "none").exit_code == 0
    assert drover("presets", "restore", "fast").stdout == "fast is as it came.\n"
    assert drover("presets", "delete", "ours").exit_code == 0
    assert server.bodies("POST", "presets") == [{"name": "mine", "options": {"temperature": 0.5}, "think": False}]
    assert server.bodies("PUT", "presets/mine") == [{"name": "ours", "think": None}]
    assert drover("presets", "set", "mine").exit_code == 2


def test_the_defaults_are_shown_and_changed(drover, server):
    server.on("GET", "defaults", DEFAULTS)
    server.on("PUT", "defaults", DEFAULTS)
    shown = drover("defaults", "show").stdout
    assert all(words in shown for words in ("llama3.2:latest", "precise", "seed=1", "30 s"))
    assert drover("defaults", "set", "--model", "llama3.2", "--preset", "", "--option", "seed=1").exit_code == 0
    assert server.bodies("PUT", "defaults") == [{"default_model": "llama3.2", "preset": "", "options": {"seed": 1}}]
    assert drover("defaults", "set").exit_code == 2


def test_what_would_hold_says_who_decided_it(drover, server):
    row = {"name": "temperature", "value": 0.2, "origin": "agent writer"}
    server.on("GET", "effective", {"model": "a", "agent": "writer", "values": [row], "levels": []})
    told = drover("effective", "--agent", "writer", "--option", "seed=1")
    assert told.stdout.splitlines()[1] == "temperature\t0.2\tagent writer"
    assert server.queries("effective") == [{"agent": "writer", "parameters": '{"seed": 1}'}]


def test_the_forecast_names_the_nodes(drover, server):
    node = {"node": "gpu-a", "slots": 4, "total_bytes": 6_200_000_000, "words": "fits", "basis": "as it was measured"}
    server.on("GET", "models/llama3.2/forecast", {"model": "llama3.2:latest", "num_ctx": 8192, "nodes": [node]})
    told = drover("forecast", "llama3.2", "--num-ctx", "8000").stdout
    assert told.splitlines()[1] == "gpu-a\t8,192\t4\t6.2 GB\tfits\tas it was measured"
    assert server.queries("models/llama3.2/forecast") == [{"num_ctx": "8000"}]


def test_a_model_is_kept_to_nodes_and_given_a_preset(drover, server):
    server.on("GET", "model-configs", {"model_configs": [], "next_cursor": None})
    server.on("POST", "model-configs", (201, {"model_name": "qwen3:8b"}))
    flags = ("--node", "gpu-a,fast", "--preset", "precise", "--think", "low", "--option", "num_gpu=0")
    assert drover("model-configs", "set", "qwen3:8b", *flags).exit_code == 0
    assert server.bodies("POST", "model-configs") == [
        {
            **{"model_name": "qwen3:8b", "preset": "precise", "options": {"num_gpu": 0}, "think": "low"},
            "allowed_nodes": ["gpu-a", "fast"],
        }
    ]
