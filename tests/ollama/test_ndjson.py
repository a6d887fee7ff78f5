"""Lines, objects and errors cut out of whatever bytes a node sends."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.errors import MalformedAnswer
from orchestration.ollama.ndjson import LineSplitter, error_of, parse_object


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").strip())), st.data())
def test_lines_come_out_whole_however_the_stream_is_cut(lines, data):
    stream = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    splitter = LineSplitter(1000)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += splitter.feed(stream[start:end])
    rest = splitter.rest()
    assert [*found, *([rest] if rest.strip() else [])] == [line for line in lines if line.strip()]


def test_a_line_over_the_limit_is_malformed_before_it_ends():
    splitter = LineSplitter(10)
    assert splitter.feed(b"12345\n123456") == [b"12345"]
    with pytest.raises(MalformedAnswer):
        splitter.feed(b"78901")


@pytest.mark.parametrize(
    "line", [b"", b"null", b"[1]", b'"x"', b"{", b"<html>", b"\xff{}", b"[" * 100_000, b"9" * 9999]
)
def test_what_is_no_json_object_is_malformed(line):
    with pytest.raises(MalformedAnswer):
        parse_object(line)


def test_a_web_page_is_named_as_such():
    with pytest.raises(MalformedAnswer, match="web page"):
        parse_object(b"  <!doctype html><title>Welcome</title>")


def test_text_that_no_database_can_store_is_made_storable():
    found = parse_object(b'{"a": ["x\\u0000y", "\\ud800", "\\ud83d\\ude00", {"\\udfff": 1}], "b": "plain"}')
    assert found == {"a": ["x\ufffdy", "\ufffd", "😀", {"\ufffd": 1}], "b": "plain"}


def test_a_plain_error_is_its_text():
    assert error_of({"error": "model 'x' not found"}) == ("model 'x' not found", {})
    assert error_of({"error": ""}) is None
    assert error_of({"done": True}) is None


def test_the_error_of_a_runner_is_unwrapped():
    inner = {"code": 400, "message": "too long", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4}
    expected = (
        "too long",
        {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4},
    )
    assert error_of({"error": json.dumps({"error": inner})}) == expected
    assert error_of({"error": json.dumps(inner)}) == expected
    assert error_of({"error": inner}) == expected


@pytest.mark.parametrize("text", ["{not json", "{}", '{"odd": 1}', "[1]", '{"error": null}'])
def test_an_error_that_only_resembles_json_is_kept(text):
    found = error_of({"error": text})
    assert found is not None
    assert found[0]


def test_a_sign_in_url_is_kept_beside_the_error():
    found = error_of({"error": "unauthorized", "signin_url": "https://example.com/connect"})
    assert found == ("unauthorized", {"signin_url": "https://example.com/connect"})


def test_text_inside_the_error_of_a_runner_is_made_storable_too():
    inner = json.dumps({"error": {"message": "bad \0 byte \ud800", "type": "a\0"}})
    sent = parse_object(json.dumps({"error": inner}).encode())
    assert error_of(sent) == ("bad \ufffd byte \ufffd", {"type": "a\ufffd"})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400 + ".0"])
def test_a_number_that_json_cannot_say_again_is_malformed(number):
    with pytest.raises(MalformedAnswer):
        parse_object(b'{"embeddings": [[0.5, %s]]}' % number.encode())


@pytest.mark.parametrize("leaf", [b"1", b'"\\ud800"'])
@pytest.mark.parametrize("depth", [300, 500, *range(900, 1000, 3)])
def test_no_depth_brings_anything_but_an_object_or_malformed(depth, leaf):
    line = b'{"error": ' + b'{"a": ' * depth + leaf + b"}" * depth + b"}"
    try:
        found = error_of(parse_object(line))
    except MalformedAnswer as refusal:
        assert len(refusal.detail["received"]) <= 200  # noqa: PT017 (either way out is right, another is not)
    else:
        assert found is not None
        assert "\ud800" not in found[0]


def test_numbers_keep_their_kind_and_value():
    found = parse_object(b'{"count": 12345678901234567890, "score": 0.1, "none": null, "big": 1e300}')
    assert found == {"count": 12345678901234567890, "score": 0.1, "none": None, "big": 1e300}
    assert (type(found["count"]), type(found["big"])) == (int, float)


def test_text_that_can_be_stored_stays_as_it_is():
    said = {"content": 'say "\\u0000" as an escape, C:\\users\\dave, naïve 🦙', "empty": ""}
    assert parse_object(json.dumps(said).encode()) == said
    assert parse_object(json.dumps(said, ensure_ascii=False).encode()) == said


def test_carriage_returns_and_blank_lines_are_no_objects():
    splitter = LineSplitter(100)
    lines = splitter.feed(b'{"a": 1}\r\n\r\n  \n{"a": 2}\r\n')
    assert [parse_object(line) for line in lines] == [{"a": 1}, {"a": 2}]
    assert splitter.rest() == b""


def test_the_limit_counts_each_line_anew_and_what_is_left_is_given_once():
    splitter = LineSplitter(5)
    assert [splitter.feed(piece) for piece in (b"123", b"45\n123", b"45\n", b"67")] == [[], [b"12345"], [b"12345"], []]
    assert (splitter.rest(), splitter.rest()) == (b"67", b"")


def test_a_line_over_the_limit_is_malformed_however_it_arrives():
    with pytest.raises(MalformedAnswer, match="longer than 5 bytes") as caught:
        LineSplitter(5).feed(b"1\n123456\n1")
    assert caught.value.detail == {"limit": 5}


def test_what_was_received_is_shown_in_part():
    with pytest.raises(MalformedAnswer) as caught:
        parse_object(b"rubbish " * 1000)
    assert caught.value.detail["received"].startswith("rubbish rubbish")
    assert len(caught.value.detail["received"]) <= 200


def test_the_innermost_message_of_an_error_is_told():
    assert error_of({"error": {"error": {"message": "out of memory", "code": 500}}}) == ("out of memory", {"code": 500})
