"""What people type is taken apart where they mean it."""

import pytest

from orchestration.cli import parsing
from orchestration.cli.failures import Misused


def test_a_task_is_split_at_its_first_colon_and_never_at_commas():
    assert parsing.task("generate:Review this: def add(a,b): return a+b") == {
        "type": "generate",
        "input": "Review this: def add(a,b): return a+b",
    }


def test_a_step_is_split_at_its_first_two_colons():
    text = "code:generate:Write it, based on: {{plan}}"
    assert parsing.step(text) == {"name": "code", "type": "generate", "input": "Write it, based on: {{plan}}"}


@pytest.mark.parametrize("text", ["no type", ":prompt", "chat:", "chat:  "])
def test_a_task_without_type_or_prompt_is_refused_with_an_example(text):
    with pytest.raises(Misused):
        parsing.task(text)


@pytest.mark.parametrize("text", ["plan", "plan:generate", ":generate:x", "plan::x", "plan:generate:"])
def test_a_step_that_lacks_a_part_is_refused(text):
    with pytest.raises(Misused, match="lacks"):
        parsing.step(text)


def test_names_are_separated_by_commas_and_each_counts_once():
    assert parsing.names(["llama3.2, codellama", "llama2,llama3.2,"]) == ["llama3.2", "codellama", "llama2"]


def test_options_are_json_where_they_are():
    given = ["temperature=0.2", 'stop=["END"]', "mirostat_tag=plain words", "seed=7", "x="]
    assert parsing.options(given) == {
        "temperature": 0.2,
        "stop": ["END"],
        "mirostat_tag": "plain words",
        "seed": 7,
        "x": "",
    }


def test_an_option_without_a_name_is_refused():
    with pytest.raises(Misused, match="name=value"):
        parsing.options(["=3"])


def test_priorities_are_words_or_numbers():
    assert [parsing.priority(text) for text in ("high", "Normal", "2", None)] == [0, 1, 2, None]
    with pytest.raises(Misused, match="urgent"):
        parsing.priority("urgent")


def test_lists_of_numbers():
    assert parsing.whole_numbers(["1,2", "4"], "--concurrency") == [1, 2, 4]
    with pytest.raises(Misused, match="--concurrency"):
        parsing.whole_numbers(["one"], "--concurrency")


def test_an_at_sign_reads_a_file_and_two_are_one_sign(tmp_path):
    (tmp_path / "prompt.txt").write_text("Be brief.\n")
    assert parsing.text_or_file(f"@{tmp_path}/prompt.txt") == "Be brief.\n"
    assert parsing.text_or_file("@@alice") == "@alice"
    assert parsing.text_or_file("plain") == "plain"
    assert parsing.text_or_file(None) is None


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(Misused, match=r"nowhere\.txt cannot be read: No such file"):
        parsing.text_or_file(f"@{tmp_path}/nowhere.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(Misused, match="not UTF-8"):
        parsing.read_text(tmp_path / "latin.txt")


def test_only_what_was_given_is_sent():
    assert parsing.given(a=None, b=[], c={}, d=0, e=False, f="", g="x") == {"d": 0, "e": False, "f": "", "g": "x"}
