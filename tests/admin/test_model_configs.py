"""Model configurations in the admin go through their service."""

from orchestration.models import AuditEntry, ModelConfig
from tests.admin.conftest import Person

FORM = {"model_name": "qwen3:8b", "enabled": "on", "priority": "0", "max_concurrent_requests": "3", "options": "{}"}


def test_a_configuration_is_added_changed_and_deleted_with_audit(admin: Person) -> None:
    admin.send("modelconfig_add", **FORM, fallbacks="llama3.2:3b, phi4:latest")
    config = ModelConfig.objects.get()
    assert config.fallbacks == ["llama3.2:3b", "phi4:latest"]
    admin.send("modelconfig_change", config.pk, **{**FORM, "max_concurrent_requests": "7"})
    config.refresh_from_db()
    assert config.max_concurrent_requests == 7
    admin.send("modelconfig_delete", config.pk, post="yes")
    assert not ModelConfig.objects.exists()
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["model_config.created", "model_config.changed", "model_config.deleted"]


def test_retries_are_kept_and_codes_that_make_no_sense_refused(admin: Person) -> None:
    page = admin.send("modelconfig_add", **FORM, retry_on="timeout, invalid_input")
    assert "choose from unreachable, refused" in page
    admin.send("modelconfig_add", **FORM, retry_on="timeout, refused", max_tries="4", retry_growth="1.5")
    config = ModelConfig.objects.get()
    assert (config.retry_on, config.max_tries, config.retry_growth) == (["timeout", "refused"], 4, 1.5)


def test_an_option_that_ollama_does_not_know_is_refused_at_the_form(admin: Person) -> None:
    page = admin.send("modelconfig_add", **{**FORM, "options": '{"temprature": 1}'})
    assert "temprature" in page
    assert "errorlist" in page
    assert not ModelConfig.objects.exists()


def test_broken_json_is_refused_with_the_input_kept(admin: Person) -> None:
    page = admin.send("modelconfig_add", **{**FORM, "options": "{temperature"})
    assert "Enter a valid JSON" in page
    assert "{temperature" in page


def test_a_viewer_reads_but_cannot_save(admin: Person, enter: object, carol: object) -> None:
    admin.send("modelconfig_add", **FORM)
    viewer = enter(carol)  # type: ignore[operator]
    config = ModelConfig.objects.get()
    assert "qwen3:8b" in viewer.page("modelconfig_change", config.pk)
    assert viewer.client.post(viewer.url("modelconfig_change", config.pk), FORM).status_code == 403
