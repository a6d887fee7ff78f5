"""Workflows in the admin: listed, read as YAML, changed nowhere."""

from orchestration.models import Workflow, WorkflowVersion

DEFINITION = {
    "name": "site",
    "steps": [{"name": "plan", "type": "generate", "input": "Plan <b>it</b>: {{input.what}}"}],
}


def test_the_newest_version_is_shown_as_text(admin, bob):
    workflow = Workflow.objects.create(name="site", owner=bob)
    WorkflowVersion.objects.create(workflow=workflow, number=1, definition=DEFINITION)
    assert "site" in admin.page("workflow_changelist")
    page = admin.page("workflow_change", workflow.pk)
    assert "Plan &lt;b&gt;it&lt;/b&gt;: {{input.what}}" in page
    assert 'name="_save"' not in page
