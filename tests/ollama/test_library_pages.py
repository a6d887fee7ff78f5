"""What is read from the library's pages, and that whatever looks otherwise is left out."""

from orchestration.ollama.library_pages import read_models, read_tags
from orchestration.policy.catalogue import CatalogueModel, CatalogueTag

LIST = """
<html><head><style>a { }</style><script>var x = "<a href='/library/evil'>8b</a>";</script></head><body>
<nav><a href="/models">Models</a><span>tools</span></nav>
<ul role="list">
<li><a href="/library/rivers"><div><h2><span>rivers</span></h2><p>Names rivers &amp; lakes of any country.</p></div>
  <div><span>tools</span><span>Thinking</span><span>8b</span><span>e4b</span><span>1.5b</span><span>117.1M</span></div>
  <p><span>1.2M</span> Pulls <span>93</span> Tags <span>Updated 3 days ago</span></p></a></li>
<li><a href="https://ollama.com/library/lakes"><p>Short.</p><span>embedding</span></a></li>
<li><a href="/ana/poet"><p>Somebody else's model that is not in the library.</p><span>7b</span></a></li>
<li><a href="/library/../admin">7b</a></li>
</ul></body></html>
"""
TAGS = """
<a href="/library/rivers:latest">rivers:latest</a><span>3f8eb4da87fa • 5.2GB • 128K context window • 3 days ago</span>
<a href="/library/rivers:8b"><span>rivers:8b</span></a><p>5.2 GB</p><p>128K</p><p>Text</p>
<a href="/library/rivers:e4b-q8_0">rivers:e4b-q8_0</a><p>8b</p><p>912MB</p><p>7.7 GB</p>
<a href="/library/rivers:70b-cloud">rivers:70b-cloud</a><p>-</p>
<a href="/library/rivers:1.5b">rivers:1.5b</a><p>no size here</p><a href="/blog">5.5GB</a>
<a href="/library/lakes:8b">lakes:8b</a><p>1 GB</p>
"""


def test_models_are_read_with_what_they_can_do_and_their_parameter_counts() -> None:
    rivers, lakes = read_models(LIST)
    assert (rivers.name, rivers.description) == ("rivers", "Names rivers & lakes of any country.")
    assert rivers.capabilities == ("tools", "thinking")
    assert [(tag.tag, tag.size_bytes) for tag in rivers.tags] == [("8b", None), ("e4b", None), ("1.5b", None)]
    assert lakes == CatalogueModel(name="lakes", capabilities=("embedding",))


def test_sizes_are_read_and_parameter_counts_are_not_taken_for_them() -> None:
    model = CatalogueModel(name="rivers", tags=(CatalogueTag(tag="8b", parameter_size="8b"),))
    assert {tag.tag: (tag.size_bytes, tag.parameter_size) for tag in read_tags(TAGS, model).tags} == {
        "8b": (5_200_000_000, "8b"),
        "latest": (5_200_000_000, ""),
        "e4b-q8_0": (912_000_000, "e4b"),
        "1.5b": (None, "1.5b"),
    }


def test_a_page_of_something_else_has_no_models() -> None:
    for page in ("", "<html>Please sign in", "{}", "<a href='/library/'>", "\x00\xff<<<a <p"):
        assert read_models(page) == []
        assert read_tags(page, CatalogueModel(name="rivers")) == CatalogueModel(name="rivers")


def test_a_mark_that_cannot_be_read_ends_the_reading_and_nothing_else() -> None:
    assert [model.name for model in read_models(f"{LIST}<![foo[ <a href='/library/hills'>7b</a>")] == [
        "rivers",
        "lakes",
    ]
    assert read_tags("<![foo[", CatalogueModel(name="rivers")).tags == ()
