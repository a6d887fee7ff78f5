"""Tasks from the command line: submitted as written, followed, listed, ended, repeated."""

from tests.cli.conftest import run, task

PROMPT = "Review this Python code for bugs: def add(a,b): return a+b"


def test_tasks_are_sent_as_written_and_followed(drover, server):
    server.on("POST", "tasks", (202, run(task(31, status="pending"))))
    server.on("GET", "runs/12", run(task(31), task(32)))
    outcome = drover("run-tasks", "myagent", "--tasks", f"generate:{PROMPT}", "--tasks", "chat:And?", "--sequential")
    assert outcome.exit_code == 0, outcome.stderr
    assert server.bodies("POST", "tasks") == [
        {
            "agent_id": "myagent",
            "sequential": True,
            "tasks": [{"type": "generate", "input": PROMPT}, {"type": "chat", "input": "And?"}],
        }
    ]
    assert outcome.stdout.count("Hello!") == 2
    assert outcome.stdout.endswith("Run 12 completed: 2 completed.\n")


def test_wishes_go_along(drover, server, tmp_path):
    (tmp_path / "notes.md").write_text("# Notes")
    server.on("POST", "documents", (201, {"id": 9}))
    server.on("POST", "tasks", (202, run(task(31, status="pending"))))
    drover(
        "run-tasks", "myagent", "--tasks", "generate:Hi", "--model", "llama3.2", "--option", "seed=7", "--tag", "a,b",
        "--priority", "high", "--document", "4", "--document", str(tmp_path / "notes.md"), "--continue-on-error", "-d",
    )  # fmt: skip
    (body,) = server.bodies("POST", "tasks")
    assert body["tasks"] == [{"type": "generate", "input": "Hi", "model_name": "llama3.2", "document_ids": [4, 9]}]
    assert (body["parameters"], body["tags"], body["priority"]) == ({"seed": 7}, ["a", "b"], 0)
    assert body["continue_on_error"] is True


def test_work_that_failed_has_the_status_one(drover, server):
    server.on("POST", "tasks", (202, run(task(31, status="pending"))))
    server.on("GET", "runs/12", run(task(31, status="failed", output=None, error="no node answers")))
    outcome = drover("run-tasks", "myagent", "--tasks", "generate:Hi")
    assert outcome.exit_code == 1
    assert "Run 12 failed: task 31 (Say hello.): no node answers" in outcome.stderr
    scripted = drover("run-tasks", "myagent", "--tasks", "generate:Hi", "--json")
    assert (scripted.exit_code, scripted.json["status"]) == (1, "failed")


def test_tasks_are_filtered_and_listed(drover, server):
    row = task(31) | {"model": "llama3.2:latest", "output_tokens": 64, "duration_seconds": 2.1}
    server.on("GET", "tasks", {"tasks": [row], "next_cursor": None})
    lines = drover("tasks", "--status", "failed,running", "--agent", "writer", "--text", "hello").stdout.splitlines()
    assert lines[1].startswith("31\tcompleted\tgenerate\twriter\tllama3.2:latest\tgpu-a\tSay hello.\t64\t2.1 s\t")
    assert server.queries("tasks") == [{"limit": "50", "status": "failed,running", "agent": "writer", "text": "hello"}]


def test_a_task_is_shown_with_what_was_said(drover, server):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    server.on("GET", "tasks/31", task(31, type="chat", input=messages, tags=["a"]))
    shown = drover("task", "31").stdout
    assert "input:\nsystem: Be brief.\nuser: Hi\n" in shown
    assert shown.endswith("output:\nHello!\n")


def test_a_task_is_watched_and_its_end_is_the_status(drover, server):
    lines = [{"type": "text", "offset": 0, "text": "Hel"}, {"type": "text", "offset": 3, "text": "lo!"}]
    server.on("GET", "tasks/31/stream", lambda call: (200, iter([*lines, task()])))
    outcome = drover("watch", "31")
    assert (outcome.exit_code, outcome.stdout) == (0, "Hello!\n")
    assert "completed · llama3.2:latest on gpu-a" in outcome.stderr
    server.on("GET", "tasks/31/stream", lambda call: (200, iter([task(status="failed", error="no")])))
    assert drover("watch", "31").exit_code == 1
    server.on("GET", "runs/12", run(task(31)))
    assert drover("watch", "--run", "12", "--json").json["status"] == "completed"


def test_tasks_and_runs_are_cancelled(drover, server):
    server.on("POST", "tasks/31/cancel", task(31, state="cancelled"))
    server.on("POST", "tasks/32/cancel", task(32, state="cancelling"))
    assert drover("cancel", "31", "32").stdout == "Task 31 is cancelled.\nTask 32 is cancelling.\n"
    server.on("POST", "runs/12/cancel", {"id": 12, "cancelled": 2, "status": "cancelled"})
    assert drover("cancel", "--run", "12").stdout == "Run 12: 2 tasks cancelled.\n"


def test_what_failed_is_tried_again_and_followed(drover, server):
    server.on("POST", "tasks/31/retry", task(31, status="pending"))
    server.on("GET", "tasks/31/stream", lambda call: (200, iter([task(31)])))
    server.on("POST", "tasks/32/retry", task(32, status="pending"))
    server.on("GET", "tasks/32/stream", lambda call: (200, iter([task(32, status="failed", error="again")])))
    assert drover("retry", "31").exit_code == 0
    outcome = drover("retry", "32", "31")
    assert outcome.exit_code == 1
    assert "Task 32 failed: again" in outcome.stderr
    assert drover("retry", "32", "--detach").stdout == "32 is tried again.\n"
