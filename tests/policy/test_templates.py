"""Placeholders are filled once, and what is filled in is never read as a template."""

from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.templates import fill, filled_length, references

WORDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}(\.[A-Za-z0-9_-]{1,6}){0,2}", fullmatch=True)
TEXTS = st.text(max_size=60)
TEMPLATE_LIKE = st.text(alphabet="{}\\ abplan.step1_-", max_size=60)


def test_a_name_is_replaced():
    assert fill("Write: {{plan}} and {{ plan }}.", {"plan": "A house"}) == "Write: A house and A house."


def test_dotted_names_are_names():
    assert fill("{{steps.plan.output}} {{input.city}}", {"steps.plan.output": "x", "input.city": "Rome"}) == "x Rome"


def test_an_unknown_name_stays_as_it_stands():
    assert fill("{{nobody}} {{plan}}", {"plan": "x"}) == "{{nobody}} x"


def test_what_is_filled_in_is_not_read_again():
    assert fill("{{a}}|{{b}}", {"a": "{{b}}", "b": "{{a}}"}) == "{{b}}|{{a}}"


def test_a_backslash_writes_it_literally():
    assert fill(r"\{{plan}} {{plan}}", {"plan": "x"}) == "{{plan}} x"
    assert [found.name for found in references(r"\{{plan}} {{code}}")] == ["code"]


def test_other_braces_are_text():
    for text in ("{{ .Prompt }}", "{{}}", "{plan}", "{{a b}}", "{{1}}", "{{plan", "{{a\n}}"):
        assert (fill(text, {"plan": "x", "a": "y"}), references(text)) == (text, [])


def test_references_say_where_they_stand():
    text = "Say {{a.b}}!"
    (found,) = references(text)
    assert (found.name, text[found.start : found.end]) == ("a.b", "{{a.b}}")


@given(
    st.lists(st.tuples(TEXTS.filter(lambda text: "{" not in text and "\\" not in text), WORDS), max_size=6), st.data()
)
def test_each_placeholder_becomes_its_value_whatever_the_value_is(parts, data):
    """Values are drawn so that they look like templates themselves."""
    names = {name for _, name in parts}
    values = {name: data.draw(TEMPLATE_LIKE | TEXTS) for name in names}
    template = "".join(f"{text}{{{{{name}}}}}" for text, name in parts)
    assert fill(template, values) == "".join(f"{text}{values[name]}" for text, name in parts)


@given(TEMPLATE_LIKE)
def test_a_text_without_known_names_changes_by_its_backslashes_only(text):
    assert fill(text, {}).replace("\\", "") == text.replace("\\", "")


@given(TEMPLATE_LIKE, st.dictionaries(WORDS, TEMPLATE_LIKE, max_size=4))
def test_what_references_finds_is_what_fill_replaces(text, values):
    known = [found for found in references(text) if found.name in values]
    marked = fill(text, dict.fromkeys(values, "\0"))
    assert marked.count("\0") == len(known)


@given(TEMPLATE_LIKE, st.dictionaries(WORDS, TEMPLATE_LIKE, max_size=4))
def test_the_length_is_known_before_anything_is_filled_in(text, values):
    assert filled_length(text, values) == len(fill(text, values))
