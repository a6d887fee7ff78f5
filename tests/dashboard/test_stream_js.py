"""static/js/stream.js and markdown.js in a real browser: no character lost or doubled, and nothing of it runs."""

import random
import re

import pytest

from tests.dashboard.browsing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

TEXT = (
    "# Grüße 🏔️\n\nEin **fetter** Satz mit `code` und 👩‍👩‍👧‍👦.\n\n```python\nprint('𝔊𝔬𝔢𝔱𝔥𝔢')\n\nx = 1\n```\n\n"
    "1. eins\n2. zwei\n   - *innen* 🌲\n   - auch\n3. drei\n\n> Zitat\n> weiter\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n"
    "---\n\nEnde mit https://example.org/a_(b)?c=1. Schluss ~~nicht~~ 🎉\n"
)

FEED = """
async ([text, frames, mode]) => {
  const {StreamView} = await import("/static/js/stream.js");
  const main = document.getElementById("main");
  main.replaceChildren();
  let gaps = 0;
  const view = new StreamView(main, {mode, onGap: () => (gaps += 1)});
  for (const frame of frames) {
    if ("snap" in frame) view.snapshot({attempt: 1, text: frame.snap});
    else view.frame({attempt: 1, ...frame});
    if (frame.draw) view.draw();
  }
  const whole = view.end({length: {text: [...text].length, thinking: 0}});
  view.draw();
  const shown = main.textContent, html = main.innerHTML;
  const {renderMarkdown} = await import("/static/js/markdown.js");
  const fresh = document.createElement("div");
  if (mode === "rendered") renderMarkdown(fresh, text);
  return {text: view.text, whole, gaps, shown, html, fresh: fresh.innerHTML};
}
"""


def frames_of(dice, text):
    """The text in random pieces, some sent twice, some overlapping, now and then all of it again."""
    frames, at = [], 0
    while at < len(text):
        size = dice.randint(1, 9)
        start = max(0, at - dice.choice([0, 0, 0, 1, 5]))
        frame = {"o": start, "t": text[start : at + size], "draw": dice.random() < 0.5}
        frames += [frame] * dice.choice([1, 1, 1, 2])
        at = min(len(text), at + size)
        if dice.random() < 0.03:
            frames.append({"snap": text[: dice.randint(at, len(text))]})
            at = len(frames[-1]["snap"])
        if dice.random() < 0.03:
            frames.append({"o": 0, "t": text[:at]})
    return frames


@pytest.mark.parametrize("mode", ["raw", "rendered"])
async def test_frames_cut_anywhere_give_the_text(page, mode):
    for seed in range(25):
        frames = frames_of(random.Random(seed), TEXT)
        result = await page.evaluate(FEED, [TEXT, frames, mode])
        assert result["text"] == TEXT, seed
        assert (result["whole"], result["gaps"]) == (True, 0)
        if mode == "raw":
            assert result["shown"] == TEXT
        else:
            assert result["html"] == result["fresh"], seed


async def test_missing_text_is_asked_for_and_not_papered_over(page):
    frames = [{"o": 0, "t": "Hello"}, {"o": 7, "t": "orld"}]
    result = await page.evaluate(FEED, ["Hello world", frames, "raw"])
    assert (result["text"], result["whole"], result["gaps"]) == ("Hello", False, 2)


async def test_offsets_count_code_points(page):
    frames = [{"o": 0, "t": "🎉🎉"}, {"o": 2, "t": "a"}, {"o": 1, "t": "🎉ab"}]
    result = await page.evaluate(FEED, ["🎉🎉ab", frames, "raw"])
    assert (result["text"], result["whole"]) == ("🎉🎉ab", True)


async def test_another_attempt_begins_anew(page):
    text = await page.evaluate(
        """async () => {
          const {StreamView} = await import("/static/js/stream.js");
          const view = new StreamView(document.getElementById("main"), {mode: "raw"});
          view.frame({attempt: 1, o: 0, t: "old text"});
          view.frame({attempt: 2, o: 0, t: "new"});
          view.draw();
          return [view.text, document.getElementById("main").textContent];
        }"""
    )
    assert text == ["new", "new"]


async def test_the_mode_can_change_in_the_middle(page):
    result = await page.evaluate(
        """async () => {
          const {StreamView} = await import("/static/js/stream.js");
          const main = document.getElementById("main");
          const view = new StreamView(main, {mode: "raw"});
          view.frame({attempt: 1, o: 0, t: "some **bo"});
          view.draw();
          view.setMode("rendered");
          view.frame({attempt: 1, o: 9, t: "ld** text"});
          view.draw();
          const rendered = main.innerHTML;
          view.setMode("raw");
          view.draw();
          return [rendered, main.innerHTML];
        }"""
    )
    assert result == ["<p>some <strong>bold</strong> text</p>", "some **bold** text"]


async def test_the_view_follows_until_the_reader_scrolls_up_and_again_after_a_jump(page):
    await page.add_style_tag(url="/tests/dashboard/stream.css")
    await page.evaluate(
        """async () => {
          const {StreamView} = await import("/static/js/stream.js");
          window.follows = [];
          window.view = new StreamView(main, {mode: "raw", onFollow: (following) => follows.push(following)});
          window.more = (lines) => {
            view.frame({attempt: 1, o: [...view.text].length, t: "line\\n".repeat(lines)});
            view.draw();
          };
          window.gap = () => main.scrollHeight - main.scrollTop - main.clientHeight;
          more(200);
        }"""
    )
    assert await page.evaluate("gap()") < 2
    await page.mouse.move(50, 50)
    await page.mouse.wheel(0, -300)
    await until(page, "follows.length === 1")
    top = await page.evaluate("main.scrollTop")
    await page.evaluate("more(50)")
    assert await page.evaluate("main.scrollTop") == top
    await page.evaluate("view.jump(); more(10)")
    assert await page.evaluate("gap()") < 2
    assert await page.evaluate("follows") == [False, True]


ATTACKS = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<svg/onload=window.hacked=1>",
    "<!-- <b>comment</b> --> text",
    "<a href='javascript:window.hacked=1'>x</a>",
    "[click](javascript:window.hacked=1)",
    "[click](JaVaScRiPt:window.hacked=1)",
    "[click]( javascript:window.hacked=1 )",
    "[click](java\tscript:window.hacked=1)",
    "[click](data:text/html,<script>window.hacked=1</script>)",
    "[click](vbscript:x)",
    "<javascript:window.hacked=1>",
    "![alt](javascript:window.hacked=1)",
    '![alt](x" onerror="window.hacked=1)',
    '[x](https://a.example/" onclick="window.hacked=1)',
    "[<img src=x onerror=window.hacked=1>](https://a.example)",
    "```html\n<script>window.hacked=1</script>\n```",
    "```<img src=x onerror=window.hacked=1>\ncode\n```",
    "`<script>window.hacked=1</script>`",
    "| <img src=x onerror=window.hacked=1> |\n|---|\n| <script>window.hacked=1</script> |",
    "- <iframe srcdoc='<script>parent.hacked=1</script>'>",
    "> <style>*{display:none}</style>",
    "# <b onmouseover=window.hacked=1>x</b>",
    "&lt;script&gt;window.hacked=1&lt;/script&gt;",
    "[a](https://a.example/?<script>)",
]
ALLOWED = {
    "A", "BLOCKQUOTE", "BR", "BUTTON", "CODE", "DEL", "DIV", "EM", "FIGCAPTION", "FIGURE", "H1", "H2", "H3", "H4", "H5",
    "H6", "HR", "LI", "OL", "P", "PRE", "SPAN", "STRONG", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL",
}  # fmt: skip
ATTRIBUTES = {"class", "href", "rel", "target", "type", "start", "data-mark"}

RENDER = """
async (text) => {
  const {renderMarkdown} = await import("/static/js/markdown.js");
  const main = document.getElementById("main");
  renderMarkdown(main, text);
  const nodes = [...main.querySelectorAll("*")];
  return {
    html: main.innerHTML,
    text: main.textContent,
    names: nodes.map((node) => node.nodeName),
    attributes: nodes.flatMap((node) => node.getAttributeNames()),
    links: nodes.filter((node) => node.nodeName === "A").map((node) => [node.href, node.rel]),
    hacked: window.hacked ?? null,
  };
}
"""


async def test_nothing_of_the_text_becomes_markup_or_runs(page):
    for attack in ATTACKS:
        result = await page.evaluate(RENDER, attack)
        assert set(result["names"]) <= ALLOWED, attack
        assert set(result["attributes"]) <= ATTRIBUTES, attack
        assert all(href.startswith(("http://", "https://")) for href, _ in result["links"]), attack
        assert all({"noopener", "nofollow"} <= set(rel.split()) for _, rel in result["links"]), attack
    await page.wait_for_timeout(100)
    assert await page.evaluate("window.hacked ?? null") is None


RENDERINGS = [
    ("# One\n### Three ###", "<h1>One</h1><h3>Three</h3>"),
    ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
    ("*a* **b** _d_ ~~e~~", "<p><em>a</em> <strong>b</strong> <em>d</em> <del>e</del></p>"),
    ("***c***", "<p><em><strong>c</strong></em></p>"),
    ("snake_case_name and 2 * 3 * 4", "<p>snake_case_name and 2 * 3 * 4</p>"),
    ("**bold *both* bold**", "<p><strong>bold <em>both</em> bold</strong></p>"),
    ("**open", "<p>**open</p>"),
    (r"\*not\* \`code\`", "<p>*not* `code`</p>"),
    ("`` a ` b ``", '<p><code class="md-inline-code">a ` b</code></p>'),
    ("- a\n- b\n  - c\n    - d\n- e", "<ul><li>a</li><li>b<ul><li>c<ul><li>d</li></ul></li></ul></li><li>e</li></ul>"),
    ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    ("1. a\n\n   more\n2. b", "<ol><li><p>a</p><p>more</p></li><li>b</li></ol>"),
    ("- [ ] a\n- [x] b", '<ul><li class="md-task">☐ a</li><li class="md-task">☑ b</li></ul>'),
    ("- a\n* b", "<ul><li>a</li></ul><ul><li>b</li></ul>"),
    ("> a\n> > b\n\nc", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote><p>c</p>"),
    ("a\n\n***\n\nb", "<p>a</p><hr><p>b</p>"),
    (
        "|a|b|c|\n|:-:|--:|---|\n|1|2\\|3|",
        '<div class="md-table"><table><thead><tr><th class="md-center">a</th><th class="md-right">b</th><th>c</th></tr>'
        '</thead><tbody><tr><td class="md-center">1</td><td class="md-right">2|3</td><td></td></tr></tbody>'
        "</table></div>",
    ),
    (
        "[a *b*](https://x.example/y)",
        '<p><a class="md-link" href="https://x.example/y" rel="noopener noreferrer nofollow" target="_blank">'
        "a <em>b</em></a></p>",
    ),
    ("[a](ftp://x)", "<p>a (ftp://x)</p>"),
    (
        "see (https://x.example).",
        '<p>see (<a class="md-link" href="https://x.example" rel="noopener noreferrer nofollow" target="_blank">'
        "https://x.example</a>).</p>",
    ),
    ("1 < 2 && 3 > 2", "<p>1 &lt; 2 &amp;&amp; 3 &gt; 2</p>"),
    ("a<br>b", "<p>a<br>b</p>"),
]  # fmt: skip


async def test_markdown_is_drawn(page):
    for text, html in RENDERINGS:
        result = await page.evaluate(RENDER, text)
        assert re.sub(' data-mark="."', "", result["html"]) == html


async def test_code_has_its_language_and_can_be_copied_on_plain_http(page):
    result = await page.evaluate(RENDER, "```python\nprint(1)\n\nprint(2)\n```\nafter")
    assert result["text"] == "pythonCopyprint(1)\n\nprint(2)after"
    await page.click(".md-copy")
    await until(page, "document.querySelector('.md-copy').textContent !== 'Copy'")
    assert await page.text_content(".md-copy") == "Copied"


async def test_finished_blocks_are_drawn_once(page):
    kept = await page.evaluate(
        """async () => {
          const {MarkdownStream} = await import("/static/js/markdown.js");
          const main = document.getElementById("main");
          const stream = new MarkdownStream(main);
          stream.append("# Title\\n\\nfirst\\n\\n- a\\n- b\\n");
          stream.append("- c\\n");
          const [title, first] = main.children, item = main.querySelector("li");
          stream.append("\\nlast\\n");
          return [title, first, item].map((node) => node.isConnected).concat(main.querySelectorAll("ul").length);
        }"""
    )
    assert kept == [True, True, True, 1]


async def test_hostile_lengths_stay_fast(page):
    seconds = await page.evaluate(
        """async () => {
          const {MarkdownStream, renderMarkdown} = await import("/static/js/markdown.js");
          const main = document.getElementById("main");
          const begin = performance.now();
          const n = 20000;
          for (const piece of ["*a ", "**", "[", "`a``b", "> ", "- ", "_a*b", "![a](", "<", "~~x ", "\\n\\n", "|"]) {
            renderMarkdown(main, piece.repeat(n));
          }
          const stream = new MarkdownStream(main);
          for (let i = 0; i < 2000; i += 1) stream.append(`Paragraph ${i} with **bold**.\\n\\n- item\\n- item\\n\\n`);
          return (performance.now() - begin) / 1000;
        }"""
    )
    assert seconds < 20
