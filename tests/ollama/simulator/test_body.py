"""Bodies are read, and refused, the way Go's decoder does it."""

import pytest

from orchestration.ollama.simulator.body import CHAT, GENERATE, PULL, read_body
from orchestration.ollama.simulator.refusal import Refusal


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "missing request body"),
        (b"  ", "missing request body"),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"{", "unexpected EOF"),
        (b'{"model": "a', "unexpected EOF"),
        (b'{"model": NaN}', "invalid character 'N' looking for beginning of value"),
        (b'{"model" "a"}', "invalid character '\"' after object key"),
        (b'{"model": "a" "b"}', "invalid character '\"' after object key:value pair"),
        (b"{model: 1}", "invalid character 'm' looking for beginning of object key string"),
        (b"[]", "json: cannot unmarshal array into Go value of type api.GenerateRequest"),
        (b'{"model": 3}', "json: cannot unmarshal number into Go struct field GenerateRequest.model of type string"),
        (b'{"stream": "no"}', "json: cannot unmarshal string into Go struct field GenerateRequest.stream of type bool"),
        (
            b'{"top_logprobs": 1.5}',
            "json: cannot unmarshal number 1.5 into Go struct field GenerateRequest.top_logprobs of type int",
        ),
        (b'{"think": "very"}', 'invalid think value: "very" (must be "high", "medium", "low", "max", true, or false)'),
        (b'{"keep_alive": "10"}', 'time: missing unit in duration "10"'),
        (b'{"images": ["data:image/png;base64,aGk="]}', "illegal base64 data at input byte 4"),
    ],
)
def test_what_cannot_be_read_is_refused_in_gos_words(raw, complaint):
    with pytest.raises(Refusal) as caught:
        read_body(raw, GENERATE)
    assert (caught.value.status, caught.value.message) == (400, complaint)


def test_a_message_list_must_be_a_list():
    with pytest.raises(Refusal) as caught:
        read_body(b'{"messages": "hi"}', CHAT)
    assert caught.value.message == (
        "json: cannot unmarshal string into Go struct field ChatRequest.messages of type []api.Message"
    )


def test_keys_in_any_case_are_known_nulls_and_unknown_keys_are_dropped():
    assert read_body(b'{"Model": "a", "PROMPT": null, "extra": 1}', GENERATE) == {"model": "a"}


def test_only_the_first_value_counts():
    assert read_body(b'{"model": "a"}{"model": "b"} and more', PULL) == {"model": "a"}


def test_roles_are_lowered_and_nested_fields_are_checked():
    body = read_body(b'{"messages": [{"ROLE": "User", "content": "x", "images": []}]}', CHAT)
    assert body == {"messages": [{"role": "user", "content": "x", "images": []}]}
    with pytest.raises(Refusal, match=r"ChatRequest\.messages\.content of type string"):
        read_body(b'{"messages": [{"content": []}]}', CHAT)
