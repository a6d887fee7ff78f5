"""The command: nodes from arguments, ready lines, and how it ends."""

import argparse
import json
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest

from orchestration.ollama.simulator.__main__ import _parser, parse_node, specs_of


def specs(*arguments):
    return specs_of(_parser().parse_args(arguments))


def test_a_node_is_described_in_one_word():
    spec = parse_node("gpu:11500:48:4:1.5")
    assert (spec.name, spec.port, spec.vram_gb, spec.slots, spec.speed) == ("gpu", 11500, 48.0, 4, 1.5)
    assert parse_node("a:0:8").slots == 1


@pytest.mark.parametrize("text", ["a", "a:b:c", "a:1:2:3:4:5"])
def test_a_wrong_description_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse_node(text)


def test_the_demo_has_three_unequal_nodes_and_no_model_is_everywhere_but_the_first():
    found = specs("--demo", "--port", "12000", "--speed", "2")
    assert [(spec.name, spec.port, spec.vram_gb) for spec in found] == [
        ("gpu-a", 12000, 24),
        ("gpu-b", 12001, 48),
        ("mac-mini", 12002, 36),
    ]
    models = {model for spec in found for model in spec.models}
    assert len(models) == 6
    assert all(set(spec.models) < models for spec in found)


@contextmanager
def running(*arguments):
    command = [sys.executable, "-m", "orchestration.ollama.simulator", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_a_ready_line_per_node_and_quits_cleanly(number):
    with running("--node", "a:0:24", "--node", "b:0:8:2") as process:
        ready = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [line["name"] for line in ready] == ["a", "b"]
        with urllib.request.urlopen(ready[1]["url"] + "/api/version", timeout=10) as answer:
            assert json.load(answer)["version"]
        process.send_signal(number)
        assert process.wait(20) == 0


def test_it_quits_when_its_parent_is_gone():
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent,
        running("--node", "a:0:24", "--parent-pid", str(parent.pid)) as process,
    ):
        assert json.loads(process.stdout.readline())["event"] == "ready"
        parent.communicate()
        assert process.wait(20) == 0
