"""Being told to end."""

import signal
import subprocess
import sys

import pytest

WAITS = """
from orchestration.management.stopping import stop_event
stop = stop_event()
print("up", flush=True)
while not stop.wait(0.0001):
    pass
print("ended in order", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_many_times_over_ends_it_in_order(number):
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        for _ in range(50):
            process.send_signal(number)
        assert process.communicate(timeout=30)[0] == "ended in order\n"
        assert process.returncode == 0
