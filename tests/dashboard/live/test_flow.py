"""Merging, pacing and the limit of one socket."""

from dashboard.live.flow import ACK_EVERY, ROWS_AT_ONCE, STALL_SECONDS, UNACKED_BYTES, UNACKED_FRAMES, Outbox, Window


def opened(*topics):
    """An outbox whose topics have had their snapshots."""
    outbox = Outbox()
    for topic in topics:
        outbox.snap(topic, "1-0", {})
    outbox.take(0.0)
    return outbox


def row(task_id, status="running", **fields):
    return {"id": task_id, "status": status, **fields}


def text(offset, piece, attempt=1, **fields):
    return {"attempt": attempt, "o": offset, "t": piece, **fields}


def test_a_snapshot_leaves_at_once_and_alone():
    outbox = Outbox()
    outbox.snap("load", "5-0", {"at": 1})
    assert outbox.due_in(0.0) == 0.0
    assert outbox.take(0.0) == [{"type": "snap", "topic": "load", "seq": "5-0", "data": {"at": 1}}]
    assert outbox.due_in(0.0) is None


def test_a_delta_tells_the_seq_of_the_one_before():
    outbox = opened("tasks")
    outbox.add("tasks", "2-0", {"rows": [row(1)]})
    outbox.add("tasks", "3-0", {"rows": [row(2)]})
    (first,) = outbox.take(10.0)
    assert (first["prev"], first["seq"]) == ("1-0", "3-0")
    outbox.add("tasks", "4-0", {"rows": [row(1)]})
    (second,) = outbox.take(20.0)
    assert (second["prev"], second["seq"]) == ("3-0", "4-0")


def test_text_keeps_the_seq_of_the_event_before_it():
    outbox = opened("task:1")
    outbox.add("task:1", None, {"text": text(0, "a")})
    (delta,) = outbox.take(10.0)
    assert (delta["prev"], delta["seq"]) == ("1-0", "1-0")


def test_waiting_text_is_joined():
    outbox = opened("task:1")
    outbox.add("task:1", None, {"text": text(0, "Grü", n=1)})
    outbox.add("task:1", None, {"text": text(3, "ße", n=2, ho=0, h="hm")})
    outbox.add("task:1", None, {"text": {"attempt": 1, "ho": 2, "h": "!", "c": [{}], "n": 3}})
    (delta,) = outbox.take(10.0)
    assert delta["text"] == {"attempt": 1, "o": 0, "t": "Grüße", "ho": 0, "h": "hm!", "c": [{}], "n": 3}


def test_text_of_another_attempt_replaces_what_waited():
    outbox = opened("task:1")
    outbox.add("task:1", None, {"text": text(7, "old")})
    outbox.add("task:1", None, {"text": text(0, "new", attempt=2)})
    assert outbox.take(10.0)[0]["text"] == text(0, "new", attempt=2)


def test_text_leaves_twenty_times_a_second_rows_five_times_and_numbers_once():
    outbox = opened("task:1", "tasks", "load")
    seen = {"text": 0, "rows": 0, "data": 0}
    for tick in range(1000):
        now = 1.0 + tick / 100
        outbox.add("task:1", None, {"text": text(tick, "x")})
        outbox.add("tasks", f"{tick}-0", {"rows": [row(1, tick=tick)]})
        outbox.add("load", f"{tick}-0", {"data": tick})
        for message in outbox.take(now):
            for delta in message.get("frames", [message]):
                seen.update({name: seen[name] + 1 for name in seen if name in delta})
    assert 160 <= seen["text"] <= 200
    assert 45 <= seen["rows"] <= 51
    assert 9 <= seen["data"] <= 11


def test_all_streams_of_a_socket_share_a_frame():
    outbox = opened("task:1", "task:2")
    outbox.add("task:1", None, {"text": text(0, "a", attempt=1)})
    outbox.add("task:2", None, {"text": text(0, "b", attempt=2)})
    (message,) = outbox.take(10.0)
    assert message["type"] == "batch"
    assert [delta["topic"] for delta in message["frames"]] == ["task:1", "task:2"]


def test_of_a_row_only_the_latest_is_kept():
    outbox = opened("tasks")
    for version in range(3):
        outbox.add("tasks", f"{version + 2}-0", {"rows": [row(1, version=version), row(2, version=version)]})
    (delta,) = outbox.take(10.0)
    assert delta["rows"] == [row(1, version=2), row(2, version=2)]


def test_a_row_that_comes_back_is_not_gone():
    outbox = opened("tasks")
    outbox.add("tasks", "2-0", {"gone": [1, 2]})
    outbox.add("tasks", "3-0", {"rows": [row(1)]})
    (delta,) = outbox.take(10.0)
    assert delta["gone"] == [2]
    assert delta["rows"] == [row(1)]


def test_progress_of_a_task_that_has_ended_is_forgotten():
    outbox = opened("tasks")
    outbox.add("tasks", "2-0", {"progress": [[1, 9, "generating"], [2, 8, "prefill"]]})
    outbox.add("tasks", "3-0", {"rows": [row(1, status="completed")]})
    (delta,) = outbox.take(10.0)
    assert delta["progress"] == [[2, 8, "prefill"]]


def test_the_end_of_a_text_takes_everything_along():
    outbox = opened("task:1")
    outbox.add("task:1", "2-0", {"row": row(1), "reason": "none"})
    outbox.take(10.0)
    outbox.add("task:1", None, {"text": text(0, "bye")})
    outbox.add("task:1", "3-0", {"row": row(1, status="completed"), "reason": "", "end": {"status": "completed"}})
    (delta,) = outbox.take(10.06)
    assert set(delta) >= {"text", "row", "reason", "end"}


def test_an_empty_list_of_numbers_is_news():
    outbox = opened("overview")
    outbox.add("overview", "2-0", {"attention": []})
    assert outbox.take(10.0)[0]["attention"] == []


def test_too_many_rows_ask_for_a_snapshot():
    outbox = opened("tasks")
    assert outbox.add("tasks", "2-0", {"rows": [row(n) for n in range(ROWS_AT_ONCE)]})
    assert not outbox.add("tasks", "3-0", {"rows": [row(ROWS_AT_ONCE)]})


def test_a_snapshot_replaces_an_unsent_one_and_what_waited():
    outbox = opened("tasks")
    outbox.add("tasks", "2-0", {"rows": [row(1)]})
    outbox.snap("tasks", "3-0", {"n": 1})
    outbox.snap("tasks", "4-0", {"n": 2})
    (message,) = outbox.take(10.0)
    assert message["data"] == {"n": 2}


def test_a_topic_without_a_snapshot_has_no_deltas():
    outbox = Outbox()
    assert outbox.add("tasks", "2-0", {"rows": [row(1)]})
    assert outbox.due_in(0.0) is None


def test_the_window_is_full_at_sixty_four_frames_until_one_is_confirmed():
    window = Window()
    for frame in range(UNACKED_FRAMES):
        assert not window.is_full
        window.sent(float(frame), 100)
    assert window.is_full
    window.ack(20)
    assert not window.is_full
    assert len(window) == UNACKED_FRAMES - 20


def test_a_confirmation_repeated_or_too_high_does_no_harm():
    window = Window()
    for _ in range(30):
        window.sent(0.0, 10)
    window.ack(20)
    window.ack(20)
    assert len(window) == 10
    window.ack(10**9)
    assert len(window) == 0
    assert window.bytes == 0


def test_a_reader_that_owes_a_confirmation_for_thirty_seconds_is_lost():
    window = Window()
    for _ in range(ACK_EVERY):
        window.sent(0.0, 10)
    assert not window.is_lost(STALL_SECONDS - 1, 0)
    assert window.is_lost(STALL_SECONDS + 1, 0)


def test_a_reader_that_has_had_few_frames_owes_nothing():
    window = Window()
    for _ in range(ACK_EVERY - 1):
        window.sent(0.0, 10)
    assert not window.is_lost(3600.0, 0)


def test_four_megabytes_unread_are_too_much():
    window = Window()
    window.sent(0.0, UNACKED_BYTES // 2)
    assert not window.is_lost(1.0, UNACKED_BYTES // 2)
    assert window.is_lost(1.0, UNACKED_BYTES // 2 + 1)


def test_a_long_text_may_be_opened_whatever_its_size():
    window = Window()
    window.sent(0.0, 3 * UNACKED_BYTES, is_snap=True)
    assert not window.is_lost(1.0, 1000)
    assert window.is_full
    window.ack(1)
    assert not window.is_full
