"""Workflows as pages: the list, the editor both ways, what is wrong beside it, versions, running with inputs."""

import json

import pytest

from orchestration.models import Run, Task, Workflow
from orchestration.services import workflows
from orchestration.services.workflows import Asked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "node", "agent")]

DEFINITION = {
    "name": "site",
    "agent": "writer",
    "inputs": {"topic": {"required": True, "description": "What it is about"}, "tags": {"default": ["a"]}},
    "steps": [
        {"name": "plan", "type": "generate", "input": "Plan {{input.topic}} {{input.tags}}"},
        {"name": "code", "type": "generate", "input": "Code {{plan}}"},
    ],
}
JSON = {"Accept": "application/json"}


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def saved(as_bob):
    return workflows.create(actor=as_bob, definition=DEFINITION)


def test_the_list_shows_the_latest_runs_as_bars(as_user, carol, as_bob, saved):
    for _ in range(3):
        workflows.run_saved(actor=as_bob, workflow_id=saved.pk, asked=Asked(inputs={"topic": "x"}))
    page = as_user(carol).get("/workflows").text
    assert page.count("<rect") >= 3
    assert "Last 3 runs of site" in page


def test_an_empty_list_says_what_a_workflow_is(as_user, bob):
    page = as_user(bob).get("/workflows").text
    assert "{{plan}}" in page
    assert "New workflow" in page


def test_everybody_sees_the_editor(as_user, carol, bob, saved):
    for user in (carol, bob):
        browser = as_user(user)
        assert "Plan {{input.topic}}" in browser.get(f"/workflows/{saved.pk}/edit?tab=yaml").text
        assert browser.get(f"/workflows/{saved.pk}/edit").text.count('class="dagbox"') == 2
        assert browser.get("/workflows/new").status_code == 200
        assert browser.get(f"/workflows/{saved.pk}")["Location"] == f"/workflows/{saved.pk}/edit"


def test_a_form_is_saved_as_a_new_version(as_user, bob, saved):
    changed = {**DEFINITION, "description": "About sites"}
    sent = {"definition": json.dumps(changed), "note": "why", "based_on": "1"}
    answer = as_user(bob).post(f"/workflows/{saved.pk}/edit", sent, headers=JSON)
    assert answer.json()["url"] == f"/workflows/{saved.pk}/edit"
    assert Workflow.objects.get().latest == 2
    again = as_user(bob).post(
        f"/workflows/{saved.pk}/edit", {**sent, "definition": json.dumps(DEFINITION)}, headers=JSON
    )
    assert again.status_code == 409


def test_what_is_wrong_comes_back_with_its_step(as_user, bob):
    wrong = {"name": "x", "steps": [{"name": "a", "input": "{{b}}"}]}
    answer = as_user(bob).post("/workflows/new", {"definition": json.dumps(wrong)}, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["error"]["detail"]["problems"][0]["number"] == 0
    assert as_user(bob).post("/workflows/new", {"definition": "{"}, headers=JSON).status_code == 400


def test_yaml_is_saved_without_a_script_and_kept_where_it_is_wrong(as_user, bob):
    text = "name: site\r\nsteps:\r\n  - name: a\r\n    input: |\r\n      One\r\n      two\r\n"
    answer = as_user(bob).post("/workflows/new", {"yaml": text})
    made = Workflow.objects.get()
    assert answer["Location"] == f"/workflows/{made.pk}/edit?tab=yaml"
    assert made.versions.get().definition["steps"][0]["input"] == "One\ntwo\n"
    answer = as_user(bob).post("/workflows/new", {"yaml": text.replace("site", "other").replace("two", "{{b}}")})
    assert answer.status_code == 422
    assert "Line 4: “a”: {{b}} is no step" in answer.text.replace("&#x27;", "'")
    assert "name: other" in answer.text
    assert as_user(bob).post("/workflows/new", {"yaml": "a: ["}).status_code == 422


def test_the_editor_is_told_both_forms_and_the_graph(as_user, carol):
    told = as_user(carol).post("/workflows/check", {"definition": json.dumps(DEFINITION)}).json()
    assert told["yaml"].startswith("name: site\n")
    assert told["problems"] == []
    assert told["dag"].count("dagbox__name") == 2
    back = as_user(carol).post("/workflows/check", {"yaml": told["yaml"]}).json()
    assert back["definition"] == DEFINITION
    wrong = as_user(carol).post("/workflows/check", {"yaml": "name: x\nsteps: [{name: a, input: '{{b}}'}]"}).json()
    assert (wrong["problems"][0]["line"], wrong["dag"], wrong["definition"]["name"]) == (2, None, "x")
    assert as_user(carol).post("/workflows/check", {"yaml": "a: ["}).json()["definition"] is None


def test_versions_are_compared_and_restored(as_user, bob, as_bob, saved):
    workflows.update(actor=as_bob, workflow_id=saved.pk, definition={**DEFINITION, "description": "New"}, note="why")
    page = as_user(bob).get(f"/workflows/{saved.pk}/edit?tab=versions").text
    assert '<span class="plus">+description: New</span>' in page
    assert "why" in page
    answer = as_user(bob).post(f"/workflows/{saved.pk}/versions/1/restore")
    assert answer["Location"] == f"/workflows/{saved.pk}/edit?tab=versions"
    assert Workflow.objects.get().latest == 3


def test_a_run_asks_for_its_inputs(as_user, bob, saved):
    browser = as_user(bob)
    assert "What it is about" in browser.get(f"/workflows/{saved.pk}/run").text
    refused = browser.post(f"/workflows/{saved.pk}/run", {"input.topic": "", "input.tags": "[1]"})
    assert refused.status_code == 422
    assert "Give a value for topic" in refused.text
    assert "[1]" in refused.text
    answer = browser.post(f"/workflows/{saved.pk}/run", {"input.topic": "cats", "input.tags": '["b"]'})
    run = Run.objects.get()
    assert answer["Location"] == f"/runs/{run.pk}"
    assert Task.objects.get(step="plan").input == 'Plan cats ["b"]'


def test_who_may_not_change_it_is_told_why(as_user, carol, dave, saved):
    for user in (carol, dave):
        browser = as_user(user)
        assert "disabled" in browser.get(f"/workflows/{saved.pk}/edit").text
        assert browser.post(f"/workflows/{saved.pk}/delete", headers=JSON).status_code == 403
        sent = {"definition": json.dumps({**DEFINITION, "description": "x"})}
        assert browser.post(f"/workflows/{saved.pk}/edit", sent, headers=JSON).status_code == 403
    assert Workflow.objects.get().latest == 1


def test_a_deleted_workflow_leaves_its_runs(as_user, bob, as_bob, saved):
    run = workflows.run_saved(actor=as_bob, workflow_id=saved.pk, asked=Asked(inputs={"topic": "x"}))
    assert as_user(bob).post(f"/workflows/{saved.pk}/delete")["Location"] == "/workflows"
    assert "site" in as_user(bob).get(f"/runs/{run.pk}").text


def test_a_step_may_be_of_a_type_that_is_installed(as_user, bob, packages):
    packages.add("class Count:\n    async def run(self, context): ...", task_types={"count-words": "Count"})
    assert "<option>count-words</option>" in as_user(bob).get("/workflows/new").text
