"""The command ``drover`` against a real Drover on another port with a key, as people and scripts type it."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.herd import ROOT, Drover, until

pytestmark = pytest.mark.processes
DROVER = Path(sys.executable).with_name("drover")
Command = Callable[..., subprocess.CompletedProcess[str]]
REVIEW = "Review this Python code for bugs: def add(a,b): return a+b"


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    models = ("llama3.2:latest", "codellama:latest", "llama2:latest")
    handle = run_in_thread([NodeSpec(name="gpu-a", models=models, slots=8, vram_gb=48, speed=20.0)])
    yield handle
    handle.stop()


@pytest.fixture
def environment(drover: Drover, tmp_path: Path) -> dict[str, str]:
    key = drover.client.headers["authorization"].removeprefix("Bearer ")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DROVER_")}
    own = {"DROVER_URL": drover.url, "DROVER_API_KEY": key, "XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    return kept | own


@pytest.fixture
def command(environment: dict[str, str]) -> Command:
    assert DROVER.exists(), "`make setup-dev` puts the command beside Python"

    def run(*arguments: str, status: int = 0, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [DROVER, *arguments],
            env=environment | more,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def myagent(command: Command) -> Iterator[int]:
    made = command("create-agent", "myagent", "--models", "llama3.2,codellama,llama2", "--description", "...", "--json")
    yield json.loads(made.stdout)["id"]
    command("delete-agent", "myagent")


def test_an_agent_is_made_listed_and_deleted(command: Command) -> None:
    made = command("create-agent", "myagent", "--models", "llama3.2,codellama,llama2", "--description", "...").stdout
    listed = command("list-agents").stdout
    agent_id = made.split()[-1].rstrip(".")
    assert f"{agent_id}\tmyagent\tcustom\tllama3.2, codellama, llama2\t..." in listed
    command("delete-agent", agent_id)
    assert "myagent" not in command("list-agents").stdout


def test_tasks_run_one_after_another_with_prompts_as_written(command: Command, drover: Drover, myagent: int) -> None:
    fibonacci = "Explain the time complexity of the fibonacci algorithm"
    told = command(
        "run-tasks", "myagent", "--tasks", f"generate:{REVIEW}", "--tasks", f"chat:{fibonacci}", "--sequential"
    )
    assert told.stdout.rstrip().endswith("completed: 2 completed.")
    first, second = drover.api("GET", f"runs/{drover.api('GET', 'runs')['runs'][0]['id']}")["tasks"]
    assert (first["type"], first["input"]) == ("generate", REVIEW)
    assert (second["type"], second["input"]) == ("chat", fibonacci)
    assert first["completed_at"] <= second["started_at"]
    for task in (first, second):
        assert task["output"] in told.stdout


def test_each_step_of_a_workflow_gets_what_the_step_before_wrote(command: Command, myagent: int) -> None:
    done = command(
        "run-workflow", "myagent",
        "--steps", "plan:generate:Plan a landing page: short, clear.",
        "--steps", "code:generate:Write the HTML structure based on: {{plan}}",
        "--steps", "style:generate:Write CSS styles for the HTML: {{code}}",
        "--json",
    )  # fmt: skip
    run = json.loads(done.stdout)
    plan, code, style = run["steps"]
    assert run["success"] is True
    assert plan["input"] == "Plan a landing page: short, clear."
    assert code["input"] == f"Write the HTML structure based on: {plan['output']}"
    assert style["input"] == f"Write CSS styles for the HTML: {code['output']}"


def test_a_terminal_shows_bars_while_it_runs_and_the_output_in_the_end(
    environment: dict[str, str], myagent: int, herd: Herd
) -> None:
    own, other = pty.openpty()
    herd.nodes[0].configure(speed=2)
    arguments = [DROVER, "orchestrate", "run-tasks", "myagent", "--tasks", "generate:Write about cats."]
    environment = environment | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(arguments, env=environment, stdin=other, stdout=other, stderr=other)
    os.close(other)
    shown = _everything_from(own)
    herd.nodes[0].configure(speed=20)
    assert process.wait(60) == 0
    assert "━━━" in shown
    assert "1 running" in shown
    assert "completed: 1 completed." in shown


def _everything_from(terminal: int) -> str:
    """Until the other side is closed, which Linux tells as an error."""
    pieces = []
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while True:
            try:
                piece = file.read(65_536)
            except OSError:
                break
            if not piece:
                break
            pieces.append(piece)
    return b"".join(pieces).decode(errors="replace")


def test_text_is_watched_as_it_comes_and_a_conversation_is_kept(command: Command, myagent: int) -> None:
    told = command("chat", "myagent", stdin="Say hello.").stdout
    (conversation,) = json.loads(command("conversations", "--json").stdout)["conversations"]
    assert conversation["turn_count"] == 1
    assert told in command("conversations", "show", str(conversation["id"])).stdout
    (task, *_) = json.loads(command("tasks", "--json").stdout)["tasks"]
    assert command("watch", str(task["id"])).stdout == told
    command("conversations", "delete", str(conversation["id"]))


def test_a_file_of_rows_becomes_a_file_of_results(command: Command, tmp_path: Path, myagent: int) -> None:
    (tmp_path / "rows.csv").write_text("name,city\nana,Rome\nben,Oslo\n")
    results = tmp_path / "results.jsonl"
    command(
        "batch",
        f"{tmp_path}/rows.csv",
        "--agent",
        "myagent",
        "--template",
        "Greet {{name}}: {{city}}",
        "-o",
        str(results),
    )
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert [row["input"] for row in rows] == ["Greet ana: Rome", "Greet ben: Oslo"]


def test_work_that_failed_wrong_keys_and_typing_errors_have_their_own_status(
    command: Command, drover: Drover, myagent: int
) -> None:
    arguments = ("run-tasks", "myagent", "--tasks", "generate:Write a book.", "--option", "num_predict=100000")
    started = json.loads(command(*arguments, "--detach", "--json").stdout)
    until(lambda: drover.api("GET", f"runs/{started['id']}")["status"] == "running", "a running run")
    command("cancel", "--run", str(started["id"]))
    command("watch", "--run", str(started["id"]), status=1)
    command("run-tasks", "myagent", "--tasks", "no type", status=2)
    assert "create_api_key" in command("list-agents", status=3, DROVER_API_KEY="wrong").stderr
    assert "Did you mean myagent?" in command("show-agent", "myagnt", status=4).stderr
    unreachable: Any = command("list-agents", status=3, DROVER_URL="http://127.0.0.1:9")
    assert "http://127.0.0.1:9" in unreachable.stderr
    assert "make run" in unreachable.stderr
