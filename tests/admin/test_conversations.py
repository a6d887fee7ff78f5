"""Documents, conversations and memories in the admin: read there, changed elsewhere."""

from orchestration.models import Conversation, Document, Memory, Task, Turn
from tests.admin.conftest import Person


def test_a_conversation_leads_to_its_turns_and_each_to_its_answer(admin: Person, history: list[Task]) -> None:
    talk = Conversation.objects.get()
    page = admin.page("conversation_change", talk.pk)
    assert f"?conversation__id__exact={talk.pk}" in page
    assert "handbook.md" in page
    turns = admin.page("turn_changelist", conversation__id__exact=talk.pk)
    assert "Where is Graz?" in turns
    assert f"/task/{history[0].pk}/change/" in turns


def test_words_of_models_and_people_stay_text(admin: Person, history: list[Task]) -> None:
    script = "<script>alert(1)</script>"
    Memory.objects.update(text=script)
    Turn.objects.update(text=script)
    Document.objects.update(text=script, name=script)
    Conversation.objects.update(title=script)
    for table in (Memory, Turn, Document, Conversation):
        name = table._meta.model_name
        for page in (admin.page(f"{name}_changelist"), admin.page(f"{name}_change", table.objects.get().pk)):
            assert script not in page
            assert "&lt;script&gt;" in page


def test_a_list_reads_neither_texts_nor_images(admin: Person, history: list[Task]) -> None:
    assert "Salt." in admin.page("document_change", Document.objects.get().pk)
    assert "Salt." not in admin.page("document_changelist")


def test_what_an_agent_remembers_leads_to_the_agent(admin: Person, history: list[Task]) -> None:
    assert f'href="/agents/{Memory.objects.get().agent_id}"' in admin.page("memory_changelist")
