"""Lines, objects and errors cut out of whatever bytes a node sends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import MalformedAnswer
from orchestration.ollama.ndjson import LineSplitter, error_of, parse_object


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
