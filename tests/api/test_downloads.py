"""Files as answers."""

import pytest

from orchestration.api.downloads import SheetFormat, described, sheet

WRITERS = {SheetFormat.MARKDOWN: lambda found: f"# {found['a']}", SheetFormat.CSV: lambda found: "a\n1\n"}


@pytest.mark.parametrize(
    ("wanted", "kind", "name", "content"),
    [
        (SheetFormat.MARKDOWN, "text/markdown; charset=utf-8", "x-1.md", "# ü"),
        (SheetFormat.CSV, "text/csv; charset=utf-8", "x-1.csv", "a\n1\n"),
        (SheetFormat.JSON, "application/json", "x-1.json", '{\n  "a": "ü"\n}'),
    ],
)
def test_each_format_has_its_type_and_name(wanted, kind, name, content):
    answer = sheet({"a": "ü"}, wanted, "x-1", WRITERS)
    assert answer["Content-Type"] == kind
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.content.decode() == content


def test_all_formats_are_described():
    assert set(described("Thing")["responses"][200]["content"]) == {"application/json", "text/markdown", "text/csv"}
