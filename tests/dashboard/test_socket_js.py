"""static/js/socket.js in a real browser, against a pretended server of which each test moves every step."""

import json

import pytest
import pytest_asyncio

from tests.dashboard.browsing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

FAKE = """
window.sockets = [];
window.WebSocket = class {
  constructor(url) {
    this.url = url;
    this.sent = [];
    sockets.push(this);
  }
  send(text) { this.sent.push(JSON.parse(text)); }
  push(frame) { this.onmessage({data: JSON.stringify(frame)}); }
  drop(code = 1006) { this.onclose({code}); }
  of(type) { return this.sent.filter((message) => message.type === type); }
};
window.last = () => sockets.at(-1);
window.hide = (hidden) => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
};
"""

START = """
async () => {
  const {live} = await import("/static/js/socket.js");
  Object.assign(window, {live, told: [], states: [], heard: []});
  for (const event of ["build", "logout"]) live.on(event, (detail) => heard.push([event, detail]));
  window.listen = (topic, filter) => live.subscribe(topic, {
    filter,
    onSnap: (data, about) => told.push(["snap", about.topic, data]),
    onDelta: (delta, about) => told.push(["delta", about.topic, delta.n]),
    onError: (error) => told.push(["error", error.code]),
  });
  window.sub = listen("tasks", "status=failed");
  live.onState((state) => states.push(state));
}
"""


@pytest_asyncio.fixture(loop_scope="module")
async def tab(page):
    await page.add_init_script(FAKE)
    await page.reload()
    await page.evaluate(START)
    return page


async def push(tab, **frame):
    await tab.evaluate(f"last().push({json.dumps(frame)})")


async def greet(tab, build="b1"):
    await push(tab, type="hello", user={"name": "carol", "role": "viewer"}, build=build)


async def begin(tab):
    await greet(tab)
    await push(tab, type="snap", topic="tasks", seq="1-0", data={"rows": []})


async def sent(tab, kind):
    return await tab.evaluate(f"last().of({kind!r})")


async def state(tab):
    return await tab.evaluate("live.describe().state")


async def test_after_the_greeting_it_subscribes_with_its_filter(tab):
    assert await state(tab) == "reconnecting"
    await greet(tab)
    assert await sent(tab, "sub") == [{"type": "sub", "topic": "tasks", "since": None, "filter": "status=failed"}]
    assert (await tab.evaluate("last().url")).endswith("/ws/")
    assert await state(tab) == "live"


async def test_snapshots_deltas_and_batches_reach_the_listener(tab):
    await begin(tab)
    first = {"type": "delta", "topic": "tasks", "seq": "2-0", "prev": "1-0", "n": 1}
    second = {"type": "delta", "topic": "tasks", "seq": "2-0", "prev": "2-0", "n": 2}
    await push(tab, type="batch", frames=[first, second])
    expected = [["snap", "tasks", {"rows": []}], ["delta", "tasks", 1], ["delta", "tasks", 2]]
    assert await tab.evaluate("told") == expected


async def test_a_gap_asks_for_everything_once(tab):
    await begin(tab)
    await push(tab, type="delta", topic="tasks", seq="9-0", prev="8-0", n=1)
    await push(tab, type="delta", topic="tasks", seq="10-0", prev="9-0", n=2)
    subs = await sent(tab, "sub")
    assert [message["since"] for message in subs] == [None, None]
    await push(tab, type="snap", topic="tasks", seq="11-0", data={"rows": [1]})
    assert (await tab.evaluate("told"))[-1] == ["snap", "tasks", {"rows": [1]}]
    assert len(await tab.evaluate("told")) == 2


async def test_it_confirms_every_twentieth_frame_and_every_snapshot(tab):
    await begin(tab)
    assert await sent(tab, "ack") == [{"type": "ack", "n": 2}]
    for _ in range(40):
        await push(tab, type="beat")
    assert [message["n"] for message in await sent(tab, "ack")] == [2, 22, 42]


async def test_a_few_frames_are_confirmed_after_a_while(tab):
    await begin(tab)
    await push(tab, type="beat")
    await until(tab, "last().of('ack').length === 2")


async def test_it_comes_back_by_itself_with_since(tab):
    await begin(tab)
    await tab.evaluate("last().drop()")
    assert await state(tab) == "reconnecting"
    await until(tab, "sockets.length === 2")
    await greet(tab)
    assert [message["since"] for message in await sent(tab, "sub")] == ["1-0"]
    await push(tab, type="delta", topic="tasks", seq="5-0", prev="1-0", n=5)
    assert (await tab.evaluate("told"))[-1] == ["delta", "tasks", 5]


async def test_another_build_is_an_event(tab):
    await begin(tab)
    await tab.evaluate("last().drop()")
    await until(tab, "sockets.length === 2")
    await greet(tab, build="b2")
    assert await tab.evaluate("heard") == [["build", {"from": "b1", "to": "b2"}]]


async def test_a_session_that_is_over_is_not_knocked_at_again(tab):
    await tab.evaluate("last().drop(4401)")
    assert await tab.evaluate("heard[0][0]") == "logout"
    await tab.wait_for_timeout(800)
    assert await tab.evaluate("sockets.length") == 1


async def test_a_hidden_tab_pauses_and_resumes(tab):
    await begin(tab)
    await tab.evaluate("hide(true)")
    assert await state(tab) == "paused"
    await tab.evaluate("hide(false)")
    assert [m["type"] for m in await tab.evaluate("last().sent") if m["type"] in ("pause", "resume")] == [
        "pause",
        "resume",
    ]
    await push(tab, type="snap", topic="tasks", seq="7-0", data={"rows": [7]})
    assert (await tab.evaluate("told"))[-1] == ["snap", "tasks", {"rows": [7]}]


async def test_space_pauses_but_not_where_somebody_writes(tab):
    await begin(tab)
    await tab.evaluate("document.getElementById('main').append(document.createElement('textarea'))")
    await tab.focus("textarea")
    await tab.keyboard.press("Space")
    assert await state(tab) == "live"
    await tab.evaluate("document.activeElement.blur()")
    await tab.keyboard.press("Space")
    assert await state(tab) == "paused"
    assert await tab.evaluate("localStorage.getItem('drover.live')") == "off"
    await tab.keyboard.press("Space")
    assert await state(tab) == "live"
    assert [len(await sent(tab, kind)) for kind in ("pause", "resume")] == [1, 1]


async def test_the_mode_is_remembered_and_holds_deltas_back(tab):
    await tab.evaluate("live.setMode('2s')")
    await begin(tab)
    await push(tab, type="delta", topic="tasks", seq="2-0", prev="1-0", n=2)
    assert len(await tab.evaluate("told")) == 1
    await until(tab, "told.length === 2")
    await tab.reload()
    await tab.evaluate(START)
    assert await tab.evaluate("live.mode") == "2s"


async def test_silence_makes_the_page_stale(tab):
    await begin(tab)
    await until(tab, "states.at(-1).state === 'stale'")
    await push(tab, type="beat")
    await until(tab, "states.at(-1).state === 'live'")


async def test_two_filters_of_one_topic_are_two_subscriptions_and_equal_ones_are_one(tab):
    await begin(tab)
    await tab.evaluate(
        "window.other = listen('tasks', 'status=running'); window.same = listen('tasks', 'status=failed')"
    )
    await push(tab, type="snap", topic="tasks#2", seq="1-0", data="running")
    await push(tab, type="snap", topic="tasks", seq="2-0", data="failed")
    assert (await tab.evaluate("told"))[1:] == [["snap", "tasks#2", "running"], *[["snap", "tasks", "failed"]] * 2]
    await tab.evaluate("same.close(); other.close()")
    assert await sent(tab, "unsub") == [{"type": "unsub", "topic": "tasks#2"}]


async def test_a_refusal_reaches_the_listener(tab):
    await greet(tab)
    await push(tab, type="error", topic="tasks", code="invalid_input", message="no")
    assert await tab.evaluate("told") == [["error", "invalid_input"]]


async def test_without_websockets_the_same_snapshots_are_polled(tab):
    async def answer(route):
        assert "topic=tasks&filter=status%3Dfailed" in route.request.url
        frame = {"type": "snap", "topic": "tasks", "seq": "3-0", "data": "polled"}
        await route.fulfill(json={"frames": [frame]})

    await tab.route("**/live/**", answer)
    for number in range(1, 4):
        await until(tab, f"sockets.length === {number}")
        await tab.evaluate("last().drop()")
    await until(tab, "told.length > 0")
    assert (await tab.evaluate("told"))[0] == ["snap", "tasks", "polled"]
    assert await state(tab) == "polling"
    await until(tab, "sockets.length === 4")
    await greet(tab)
    assert await state(tab) == "live"
