"""The build id changes with what browsers get, and with nothing else."""

import pytest

from dashboard.live.build import build_id

CASES = [("static/js/a.js", True), ("templates/a.html", True), ("static/readme.txt", False)]


@pytest.fixture
def site(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    for name in ("static/js/a.js", "static/readme.txt", "templates/a.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    return tmp_path


def build_now():
    build_id.cache_clear()
    return build_id()


@pytest.mark.parametrize(("name", "changes"), CASES)
def test_it_follows_scripts_styles_and_templates(site, name, changes):
    before = build_now()
    (site / name).write_text("two")
    assert (build_now() != before) is changes
    build_id.cache_clear()
