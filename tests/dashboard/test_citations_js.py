"""static/js/citations.js in a real browser: numbers lead to passages, and nothing else of the text changes."""

import pytest

from tests.dashboard.browsing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

START = """
async ([text, pieces, numbers]) => {
  const {cite} = await import("/static/js/citations.js");
  const {StreamView} = await import("/static/js/stream.js");
  const main = document.getElementById("main");
  main.replaceChildren();
  for (const number of numbers) {
    const passage = main.appendChild(document.createElement("details"));
    passage.id = `passage-${number}`;
    passage.dataset.origin = `notes.md, page ${number}`;
    passage.append(document.createElement("summary"), "text");
  }
  const shown = main.appendChild(document.createElement("div"));
  shown.id = "shown";
  const view = new StreamView(shown);
  window.cited = cite(shown);
  window.view = view;
  let at = 0;
  for (let piece = 0; piece < pieces; piece += 1) {
    const end = piece === pieces - 1 ? text.length : Math.floor((text.length * (piece + 1)) / pieces);
    view.frame({attempt: 1, o: at, t: text.slice(at, end)});
    view.draw();
    await Promise.resolve();
    at = end;
  }
  await new Promise((done) => setTimeout(done));
  const links = [...shown.querySelectorAll("a.cite")].map((a) => [a.textContent, a.getAttribute("href"), a.title]);
  return {links, text: shown.textContent, html: shown.innerHTML};
}
"""


async def shown(page, text, pieces=1, numbers=(1, 2, 3)):
    return await page.evaluate(START, [text, pieces, list(numbers)])


async def test_a_number_in_brackets_leads_to_its_passage(page):
    found = await shown(page, "Whales sing [2].")
    assert found["links"] == [["2", "#passage-2", "notes.md, page 2"]]
    assert found["text"] == "Whales sing [2]."


async def test_several_numbers_and_ranges_are_links_one_by_one(page):
    found = await shown(page, "So [1, 3] and [1][2] and [1–3].")
    assert [link[0] for link in found["links"]] == ["1", "3", "1", "2", "1", "3"]
    assert found["text"] == "So [1, 3] and [1][2] and [1–3]."


async def test_numbers_without_a_passage_code_and_links_stay_as_they_are(page):
    found = await shown(page, "Not [9], not `[1]`, not [1](https://example.org/).\n\n```\nx[2]\n```\n")
    assert found["links"] == []


async def test_citations_in_lists_tables_and_bold_text_are_found(page):
    text = "- one [1]\n- **two [2]**\n\n| a | b |\n|---|---|\n| x [3] | y |\n\n> said [1]\n"
    assert [link[0] for link in (await shown(page, text))["links"]] == ["1", "2", "3", "1"]


@pytest.mark.parametrize("pieces", [2, 7, 40])
async def test_a_text_that_arrives_in_pieces_has_the_same_links(page, pieces):
    text = "First [1] and\nthen [2].\n\n- a [3]\n- b [1, 2]\n\nThe end [3]."
    whole = await shown(page, text)
    assert (await shown(page, text, pieces))["html"] == whole["html"]
    assert len(whole["links"]) == 6


async def test_html_around_a_citation_stays_text(page):
    found = await shown(page, "<img src=x onerror=alert(1)> [1] <b>[2]</b>")
    assert [link[0] for link in found["links"]] == ["1", "2"]
    assert "<img" in found["text"]
    assert "<b>" in found["text"]
    assert await page.evaluate("document.querySelectorAll('#shown img, #shown b').length") == 0


async def test_a_citation_opens_its_passage_and_takes_the_focus_there(page):
    await shown(page, "See [2].")
    await page.click("a.cite")
    await until(page, "document.getElementById('passage-2').open")
    assert await page.evaluate("document.activeElement.parentElement.id") == "passage-2"
    assert await page.evaluate("document.querySelectorAll('[data-cited]').length") == 1


async def test_a_passage_inside_something_folded_is_unfolded_with_it(page):
    await shown(page, "See [2].")
    await page.evaluate("document.getElementById('passage-2').replaceWith(document.createElement('details'))")
    inner = "Object.assign(document.createElement('details'), {id: 'passage-2'})"
    await page.evaluate(f"document.querySelector('#main > details:empty').append({inner})")
    await page.click("a.cite")
    await until(
        page, "document.getElementById('passage-2').open && document.querySelectorAll('details[open]').length === 2"
    )


async def test_raw_text_has_no_links_and_rendered_text_gets_them_back(page):
    await shown(page, "See [2].")
    await page.evaluate("view.setMode('raw')")
    await page.evaluate("view.draw()")
    assert await page.evaluate("document.querySelectorAll('a.cite').length") == 0
    await page.evaluate("view.setMode('rendered')")
    await until(page, "document.querySelectorAll('a.cite').length === 1")


async def test_passages_that_come_later_are_linked_when_asked_again(page):
    await shown(page, "See [5].")
    await page.evaluate("document.body.append(Object.assign(document.createElement('details'), {id: 'passage-5'}))")
    await page.evaluate("cited.redo()")
    await until(page, "document.querySelectorAll('a.cite').length === 1")
