"""The data folder: private, held by one, its Redis socket short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.management import data_folder

HOLDER = """
import sys
from pathlib import Path
from orchestration.management import data_folder
with data_folder.held(Path(sys.argv[1])) as hold:
    hold.note(data_folder.Start(pid=4711, url="http://127.0.0.1:8123"))
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def long_data(tmp_path):
    data = tmp_path / ("long" * 30)
    data.mkdir()
    return data


def test_a_new_data_folder_is_for_its_owner_only(tmp_path):
    data_folder.prepare(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_data_folder_that_is_a_file_is_refused_in_words(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(data_folder.Unusable, match="DROVER_DATA"):
        data_folder.prepare(tmp_path / "file")


def test_the_socket_lies_in_the_data_folder_when_the_path_is_short():
    assert data_folder.make_socket_path(Path("/srv/drover")) == Path("/srv/drover/redis.sock")


def test_a_long_data_folder_gets_a_short_private_socket_folder_and_remembers_it(long_data):
    socket = data_folder.make_socket_path(long_data)
    try:
        assert len(str(socket)) <= data_folder.LONGEST_SOCKET_PATH
        assert socket.parent.stat().st_mode & 0o077 == 0
        assert data_folder.make_socket_path(long_data) == data_folder.socket_path(long_data) == socket
    finally:
        socket.parent.rmdir()


def test_a_remembered_folder_that_others_could_write_to_is_not_used(long_data, tmp_path):
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    (long_data / "redis-folder").write_text(str(open_folder))
    socket = data_folder.make_socket_path(long_data)
    assert socket.parent != open_folder
    socket.parent.rmdir()


def test_a_folder_is_held_by_one_process_at_a_time_and_free_after_its_death(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(data_folder.AlreadyRunning, match="4711") as caught, data_folder.held(tmp_path):
            pytest.fail("held twice")
        assert caught.value.start.url == "http://127.0.0.1:8123"
        assert data_folder.running(tmp_path) == caught.value.start
        holder.kill()
    assert data_folder.running(tmp_path) is None
    with data_folder.held(tmp_path):
        assert data_folder.running(tmp_path).pid == os.getpid()


def test_nothing_runs_on_a_folder_that_was_never_started(tmp_path):
    assert data_folder.running(tmp_path) is None
