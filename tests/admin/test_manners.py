"""Presets in the admin go through their service."""

from orchestration.models import AuditEntry, Preset
from tests.admin.conftest import Person


def test_a_preset_is_added_changed_and_deleted_with_audit(admin: Person) -> None:
    form = {"name": "poems", "description": "", "options": '{"seed": 1}', "think": ""}
    admin.send("preset_add", **form)
    row = Preset.objects.get()
    assert row.options == {"seed": 1}
    admin.send("preset_change", row.pk, **{**form, "description": "For verse."})
    row.refresh_from_db()
    assert row.description == "For verse."
    admin.send("preset_delete", row.pk, post="yes")
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["preset.created", "preset.changed", "preset.deleted"]
