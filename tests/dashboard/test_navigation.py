"""Places of the site: each is there, is reached by a letter of its own, and marks its pages."""

import re
from pathlib import Path

import pytest

from dashboard.navigation import PLACES, section_of

KEYS = Path(__file__).parents[2] / "static/js/keys.js"


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.section)
def test_each_place_answers(place, client, alice, redis_server):
    client.force_login(alice)
    page = client.get(place.path)
    assert page.status_code == 200
    assert f'href="{place.path}"' in page.content.decode()


def test_letters_are_those_of_the_script():
    told = re.search(r"const PLACES = \{(.*?)\}", KEYS.read_text(), re.DOTALL)
    assert dict(re.findall(r'(\w): "([^"]+)"', told[1])) == {place.key: place.path for place in PLACES}


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("/", "overview"),
        ("/tasks/12", "tasks"),
        ("/new", "new"),
        ("/agents/new", "agents"),
        ("/nodes/1/check", "nodes"),
        ("/models/a/b:c", "nodes"),
        ("/workflows/1/edit", "workflows"),
        ("/chat/3", "chat"),
    ],
)
def test_pages_belong_to_their_place(path, section):
    assert section_of(path) == section
