"""Workflows in real processes: failures stay where they are, kills cost nothing, and the pages work by keyboard."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.accessibility import serious
from tests.e2e.browsing import listened_to, tab_to
from tests.e2e.herd import ENDED, Drover, running_drover, until

pytestmark = pytest.mark.processes

TOKENS = {"num_predict": 120}
BOB = "from orchestration.models import User; User.objects.create_user('bob', password='bob-secret', role='operator')"


def step(name: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "generate", "input": text, "model_name": "llama3.2", "parameters": TOKENS, **fields}


DIAMOND = [
    step("start", "Begin."),
    step("left", "Left of {{start}}"),
    step("right", "Right of {{start}}", model_name="codellama", max_tries=1),
    step("middle", "Middle of {{start}}"),
    step("left_2", "More of {{left}}"),
    step("right_2", "More of {{right}}"),
    step("middle_2", "More of {{middle}}"),
    step("sides", "Both of {{left_2}} and {{middle_2}}"),
    step("join", "All of {{sides}} and {{right_2}}"),
    step("finish", "End of {{join}}"),
]
BEHIND = {"right_2", "join", "finish"}


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    models = ("llama3.2:latest", "codellama:latest")
    handle = run_in_thread([NodeSpec(name="gpu-a", models=models, slots=8, vram_gb=48, speed=4.0)])
    yield handle
    handle.stop()


@pytest.fixture(scope="module")
def drover(herd: Herd) -> Iterator[Drover]:
    with running_drover() as running:
        running.connect(herd, slots_per_model=8)
        running.manage("shell", "-c", BOB)
        yield running


def _begin(drover: Drover, steps: list[dict[str, Any]], **fields: Any) -> int:
    return int(drover.api("POST", "workflows", json={"steps": steps, **fields})["id"])


def _steps(drover: Drover, run_id: int) -> dict[str, dict[str, Any]]:
    return {task["step"]: task for task in drover.api("GET", f"runs/{run_id}")["tasks"]}


def _ended(drover: Drover, run_id: int) -> dict[str, dict[str, Any]]:
    until(lambda: drover.api("GET", f"runs/{run_id}")["status"] in ENDED, f"the end of run {run_id}")
    return _steps(drover, run_id)


def _kill_worker_when_running(drover: Drover, run_id: int, *names: str) -> None:
    until(lambda: any(_steps(drover, run_id)[name]["status"] == "running" for name in names), f"one of {names} running")
    drover.kill("worker-0")
    drover.start("worker-0")


@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "worker killed twice"])
def test_a_diamond_with_a_failing_step_ends_all_that_is_independent_and_resumes_what_lacks(
    drover: Drover, herd: Herd, killed: bool
) -> None:
    herd.nodes[0].faults(
        {"kind": "server_error", "model": "codellama", "path": "/api/generate", "message": "CUDA error"}, replace=True
    )
    run_id = _begin(drover, DIAMOND)
    if killed:
        _kill_worker_when_running(drover, run_id, "left", "middle", "left_2", "middle_2")
    first = _ended(drover, run_id)
    states = {name: task["status"] for name, task in first.items()}
    expected = dict.fromkeys(states, "completed") | dict.fromkeys(BEHIND, "cancelled") | {"right": "failed"}
    assert states == expected
    run = drover.api("GET", f"runs/{run_id}")
    assert run["status"] == "failed"
    assert "CUDA error" in first["right"]["error"]
    assert "“right” failed" in first["right_2"]["error"]
    herd.nodes[0].clear_faults()
    drover.api("POST", f"runs/{run_id}/retry")
    if killed:
        _kill_worker_when_running(drover, run_id, "right", "right_2", "join", "finish")
    last = _ended(drover, run_id)
    assert {task["status"] for task in last.values()} == {"completed"}
    for name, task in last.items():
        attempts = drover.task(task["id"])["attempt_list"]
        assert Counter(attempt["status"] for attempt in attempts)["completed"] == 1, name
        if name not in BEHIND | {"right"}:
            assert task["attempts"] == first[name]["attempts"], f"{name} was done again"
            assert task["output"] == first[name]["output"]
    assert last["join"]["input"] == f"All of {last['sides']['output']} and {last['right_2']['output']}"


def test_an_answer_with_placeholders_in_it_is_passed_on_as_it_is(drover: Drover) -> None:
    steps = [step("plan", "echo:Use {{step1}} and \\{{plan}}."), step("code", "echo:{{plan}}")]
    run_id = _begin(drover, [{**steps[0], "input": "echo:Use \\{{step1}} and \\{{plan}}."}, steps[1]])
    done = _ended(drover, run_id)
    assert "{{step1}} and {{plan}}" in done["plan"]["output"]
    assert done["code"]["input"] == f"echo:{done['plan']['output']}"


@pytest.fixture
async def page(browser: Any, drover: Drover) -> Any:
    context = await browser.new_context(viewport={"width": 1440, "height": 1000})
    page = await listened_to(context)
    await page.goto(f"{drover.url}/login")
    await page.fill("input[name=username]", "bob")
    await page.fill("input[name=password]", "bob-secret")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{drover.url}/")
    return page


@pytest.mark.browser
async def test_a_workflow_is_made_run_and_followed_by_keyboard_alone(page: Any, drover: Drover) -> None:
    await page.goto(f"{drover.url}/workflows")
    await tab_to(page, "a[href='/workflows/new']")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/workflows/new")
    await page.wait_for_selector("[data-flowstep]")
    await tab_to(page, "[data-wf=name]")
    await page.keyboard.type("by keyboard")
    await tab_to(page, "[data-s=input]")
    await page.keyboard.type("echo:One two three.")
    await tab_to(page, "[data-add-step]")
    await page.keyboard.press("Enter")
    await page.keyboard.type("second")
    await tab_to(page, "[data-flowstep]:nth-child(2) [data-s=input]")
    await page.keyboard.type("echo:Again {{frist}}")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_selector("[data-flowstep]:nth-child(2) .field__error:has-text('Did you mean {{first}}')")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("echo:Again {{first}}")
    await page.wait_for_selector("[data-dag] [data-goto=second]")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/workflows/*/edit")
    await tab_to(page, "[data-open-run]")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#run-dialog[open]")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/runs/*")
    await page.wait_for_selector("[data-region=head] .state[data-state=completed]")
    await tab_to(page, ".dagbox[href='?step=first']")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-drawer] h2:text('first')")
    await page.wait_for_selector("[data-stream] :text('One two three.')")
    await page.keyboard.press("j")
    await page.wait_for_selector("[data-drawer] h2:text('second')")
    assert page.said == []


@pytest.mark.browser
async def test_a_run_follows_its_steps_without_a_reload(page: Any, drover: Drover, herd: Herd) -> None:
    herd.nodes[0].configure(speed=0.5)
    steps = [step("one", "A story.", parameters={"num_predict": 200}), step("two", "{{one}}")]
    run_id = await asyncio.to_thread(_begin, drover, steps)
    await page.goto(f"{drover.url}/runs/{run_id}?step=one")
    await page.wait_for_selector(".dagbox[href='?step=one'][data-state=generating]")
    await page.wait_for_selector("[data-stream] p, [data-stream] pre:not(:empty)")
    herd.nodes[0].configure(speed=4)
    await page.wait_for_selector(".dagbox[href='?step=one'][data-state=completed]")
    await page.wait_for_selector("[data-region=head] .state[data-state=completed]")
    assert await page.locator(".gantt__row rect[data-state=generating]").count() == 2
    assert page.said == []


PAGES = (
    "/workflows",
    "/workflows/new",
    "/workflows/{flow}/edit",
    "/workflows/{flow}/edit?tab=yaml",
    "/workflows/{flow}/edit?tab=versions",
    "/workflows/{flow}/run",
    "/runs",
    "/runs?kind=workflow",
    "/runs/{run}",
)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 390])
async def test_no_page_keeps_people_out_violates_the_content_policy_or_is_wider_than_the_screen(
    page: Any, drover: Drover, width: int
) -> None:
    name = f"pages at {width}"
    flow = drover.api(
        "POST", "workflows/definitions", json={"name": name, "steps": DIAMOND, "inputs": {"x": {"default": "y"}}}
    )
    run = drover.api("POST", f"workflows/definitions/{flow['id']}/run", json={})
    await page.set_viewport_size({"width": width, "height": 844})
    for path in PAGES:
        await page.goto(drover.url + path.format(flow=flow["id"], run=run["id"]))
        await page.wait_for_selector("h1")
        assert page.said == [], path
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert await serious(page) == [], path
