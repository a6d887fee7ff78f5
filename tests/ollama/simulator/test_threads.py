"""Simulated servers beside a synchronous test."""

import json
import socket
import urllib.error
import urllib.request

import pytest

from orchestration.ollama.simulator import Fault, run_in_thread
from tests.ollama.simulator.calling import quick


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=20) as answer:
        return json.load(answer)


def test_several_nodes_run_beside_the_test_and_tell_their_state():
    with run_in_thread([quick(name="a"), quick(name="b")]) as herd:
        ask(herd.urls[1] + "/api/generate", {"model": "llama2", "prompt": "echo: x", "stream": False})
        state = herd.state()
        assert state["a"]["models"] == {}
        assert list(state["b"]["models"]) == ["llama2:latest"]
        assert herd.node("b").url == herd.nodes[1].url


def test_faults_and_settings_reach_the_node_before_the_call_returns():
    with run_in_thread([quick()]) as herd:
        node = herd.nodes[0]
        herd.faults({"kind": "busy", "path": "/api/tags"}, Fault("stall", count=1))
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(node.url + "/api/tags")
        caught.value.close()
        node.clear_faults()
        assert ask(node.url + "/api/tags")["models"]
        node.faults({"kind": "die"})
        with pytest.raises(urllib.error.URLError):
            ask(node.url + "/api/version")
        node.revive()
        node.configure(version="0.1.2")
        assert ask(node.url + "/api/version") == {"version": "0.1.2"}


def test_a_taken_port_is_an_error_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="address already in use"):
        run_in_thread([quick(port=taken.getsockname()[1])])


def test_stopping_twice_does_no_harm():
    herd = run_in_thread([quick()])
    herd.stop()
    herd.stop()
