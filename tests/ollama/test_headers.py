"""Headers of nodes: what may be sent, and that no error repeats it, however the node echoes it."""

import base64
import json

import pytest

from orchestration.errors import InvalidInput, OllamaError
from orchestration.ollama.client import OllamaClient
from orchestration.ollama.headers import Mask, basic, bearer, checked
from tests.ollama.rawserver import RawServer

TOKEN = "tok-9f8e7d6c5b4a-XYZ"
PASSWORD = 'p"ss-w0rd-Q'
BEARER = {"authorization": f"Bearer {TOKEN}"}


def test_names_are_kept_in_lower_case_and_values_without_blanks_around():
    assert checked({"X-Team": " blue ", "Authorization": "Bearer a"}) == {"x-team": "blue", "authorization": "Bearer a"}


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "connection", "User-Agent", "Upgrade"])
def test_what_belongs_to_the_connection_is_not_for_people(name):
    with pytest.raises(InvalidInput, match="set by Drover"):
        checked({name: "anything"})


@pytest.mark.parametrize("value", ["", "  ", f"{TOKEN}\r\nX-Evil: 1", f"{TOKEN}\0", f"{TOKEN}é", TOKEN * 1000])
def test_a_value_that_no_header_can_hold_is_refused_and_not_repeated(value):
    with pytest.raises(InvalidInput) as caught:
        checked({"X-Key": value})
    assert "X-Key" in caught.value.message
    assert TOKEN not in str(caught.value.detail) + caught.value.message


@pytest.mark.parametrize("name", ["", "two words", "a:b", "ä", f"{TOKEN} "])
def test_a_name_that_is_no_headers_is_refused_without_repeating_it(name):
    with pytest.raises(InvalidInput) as caught:
        checked({name: "x"})
    assert TOKEN not in caught.value.message


def test_every_problem_is_told_at_once():
    with pytest.raises(InvalidInput) as caught:
        checked({"Host": "a", "X-A": "", "X-B": "1", "x-b": "2"})
    assert len(caught.value.detail["problems"]) == 3


def test_there_may_be_twenty_headers_and_no_more():
    assert len(checked({f"x-{n}": "1" for n in range(20)})) == 20
    with pytest.raises(InvalidInput, match="more than 20"):
        checked({f"x-{n}": "1" for n in range(21)})


def test_a_token_and_a_password_become_an_authorization():
    assert bearer(f" {TOKEN}\n") == f"Bearer {TOKEN}"
    assert basic("ana", "pä:ss") == "Basic " + base64.b64encode("ana:pä:ss".encode()).decode()


@pytest.mark.parametrize("token", ["", "two words", "a\nb", "ü"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(InvalidInput):
        bearer(token)


@pytest.mark.parametrize("user", ["", "a:b"])
def test_a_user_that_basic_cannot_carry_is_refused(user):
    with pytest.raises(InvalidInput):
        basic(user, "x")


@pytest.mark.parametrize(
    "words",
    [TOKEN, f"Bearer {TOKEN}", f"a {TOKEN} b {TOKEN}", f"cut here: {TOKEN[:12]}", f"cut earlier: Bearer {TOKEN[:4]}"],
)
def test_a_value_is_hidden_whole_and_where_it_was_cut(words):
    shown = Mask(BEARER).text(words)
    assert TOKEN[:4] not in shown
    assert "•••" in shown


def test_a_password_is_hidden_in_each_of_its_spellings():
    value = basic("ana", PASSWORD)
    mask = Mask({"authorization": value})
    for spelling in (value, value.removeprefix("Basic "), f"ana:{PASSWORD}", PASSWORD, json.dumps(PASSWORD)):
        assert "ss-w0rd" not in mask.text(f"no: {spelling}.")
        assert value[-8:] not in mask.text(f"no: {spelling}.")


def test_what_stands_deep_in_the_details_is_hidden_too():
    error = OllamaError("no", code={"message": f"bad {TOKEN}"}, keys=[TOKEN], status=401)
    Mask(BEARER).hide_in(error)
    assert TOKEN not in repr(error.detail)
    assert error.detail["status"] == 401


def test_without_headers_there_is_nothing_to_hide():
    assert not Mask({})


ANSWERS = {
    "refused with text": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%b",
    "a web page": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b",
    "redirected": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://x/?key=TOKEN\r\n\r\n",
    "not HTTP": b"TOKEN TOKEN TOKEN\r\n\r\n",
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("padding", [0, 480, 485, 490])
async def test_a_node_that_repeats_what_it_was_sent_does_not_bring_it_into_an_error(kind, padding):
    body = b"x" * padding + b"you sent Authorization: Bearer " + TOKEN.encode()
    answer = ANSWERS[kind].replace(b"TOKEN", TOKEN.encode())
    answer = answer % (len(body), body) if b"%d" in answer else answer

    async def play(peer):
        assert peer.request.headers["authorization"] == f"Bearer {TOKEN}"
        await peer.send(answer)
        peer.hang_up()

    async with RawServer(play) as server, OllamaClient(server.url, headers=BEARER) as client:
        with pytest.raises(OllamaError) as caught:
            await client.version()
    said = f"{caught.value} {caught.value.message} {caught.value.detail} {caught.value.args}"
    assert TOKEN[:6] not in said


async def test_an_error_line_in_a_stream_is_hidden_as_well():
    async def play(peer):
        await peer.answer({"error": f"upstream refused {TOKEN}"})

    async with RawServer(play) as server, OllamaClient(server.url, headers=BEARER) as client:
        with pytest.raises(OllamaError) as caught:
            async for _ in client.generate(model="m", prompt="p"):
                pass
    assert "•••" in caught.value.message
    assert TOKEN not in caught.value.message
