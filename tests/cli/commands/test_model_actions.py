"""What nodes are told to do with models, from the command line."""

import pytest

PULL = {
    "task_id": 7,
    "run_id": 3,
    "model": "qwen3:8b",
    "node_id": 1,
    "node": "gpu-a",
    "status": "running",
    "stage": "pulling aa",
    "layers": [],
    "done_bytes": 2_100_000_000,
    "total_bytes": 4_900_000_000,
    "percent": 42.9,
    "bytes_per_second": 87e6,
    "seconds_left": 32.0,
    "words": "2.1 GB of 4.9 GB, 87 MB/s, 32 s left",
    "error": None,
    "updated_at": None,
}
RUN = {"id": 3, "status": "pending", "counts": {"pending": 2}, "tasks": [], "under_way": []}


def test_models_are_pulled_to_the_nodes_that_are_named(drover, server):
    server.on("POST", "models/pull", (202, RUN))
    result = drover("pull", "qwen3:8b", "llama3.2", "--node", "gpu-a,gpu-b", "--force", "--detach")
    assert "Run 3 has 2 tasks" in result.stdout
    body = {"models": ["qwen3:8b", "llama3.2"], "force": True, "nodes": ["gpu-a", "gpu-b"]}
    assert server.bodies("POST", "models/pull") == [body]


def test_what_is_under_way_is_told_and_followed(drover, server):
    server.on("POST", "models/pull", (202, {**RUN, "under_way": [7]}))
    assert "Under way already: task 7." in drover("pull", "qwen3:8b", "--detach").stderr


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (["load", "a/b:c", "--num-ctx", "8192"], "models/a/b:c/load", {"num_ctx": 8192}),
        (["unload", "a/b:c", "--node", "gpu-a"], "models/a/b:c/unload", {"nodes": ["gpu-a"]}),
        (["cp", "a/b:c", "mine"], "models/a/b:c/copy", {"destination": "mine"}),
    ],
)
def test_names_with_slashes_arrive_whole(drover, server, words, path, body):
    for way in (path, path.replace("a/b", "a%2Fb")):
        server.on("POST", way, (202, RUN))
    assert drover(*words, "--detach").exit_code == 0
    (call,) = server.calls
    assert (call.path.replace("%2F", "/"), call.body) == (path, body)


def test_a_model_is_deleted_and_a_refusal_says_who_uses_it(drover, server):
    server.on("DELETE", "models/qwen3:8b", (202, RUN))
    drover("rm", "qwen3:8b", "--node", "gpu-a", "--force", "--detach")
    assert server.queries("models/qwen3:8b") == [{"nodes": "gpu-a", "force": "true"}]
    server.refuse("DELETE", "models/qwen3:8b", 409, "model_in_use", "qwen3:8b is used by agent writer.")
    refused = drover("rm", "qwen3:8b")
    assert refused.exit_code == 4
    assert "is used by agent writer" in refused.stderr


def test_a_model_is_pinned_and_let_go(drover, server):
    pins = {"pins": [{"node": "gpu-a"}, {"node": "gpu-b"}]}
    server.on("POST", "models/qwen3:8b/pin", pins)
    server.on("POST", "models/qwen3:8b/unpin", pins)
    assert "qwen3:8b stays in the memory of gpu-a, gpu-b." in drover("pin", "qwen3:8b").stdout
    assert "is not pinned any more on gpu-a" in drover("unpin", "qwen3:8b", "--node", "gpu-a").stdout


def test_pulls_are_listed_with_how_far_they_are(drover, server):
    server.on("GET", "pulls", {"pulls": [PULL]})
    row = drover("pulls").stdout.splitlines()[1]
    assert row == "7\tqwen3:8b\tgpu-a\trunning\t43 %\t4.9 GB\t2.1 GB of 4.9 GB, 87 MB/s, 32 s left"
