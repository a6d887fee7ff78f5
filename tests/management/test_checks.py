"""What start-up and the doctor find."""

import http.server
import json
import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from orchestration.management import checks, data_folder, ports


def by_name(findings):
    return {finding.name: finding for finding in findings}


@pytest.fixture
def own_data(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "DROVER_DATA", tmp_path)
    return tmp_path


@pytest.fixture
def answering():
    """A site that answers /healthz with what it is given."""
    servers = []

    def answer(status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield answer
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def health(scheduler=True):
    parts = {"web": True, "database": True, "redis": True, "scheduler": scheduler, "worker": True}
    return {"status": "ok", "checks": {part: {"ok": ok, "message": f"{part} said"} for part, ok in parts.items()}}


def test_a_data_folder_in_the_working_directory_is_shown_short(monkeypatch, own_data):
    monkeypatch.chdir(own_data.parent)
    assert checks.data() == checks.Finding(ok=True, name="data", text=f"./{own_data.name}")


def test_a_data_folder_that_cannot_be_written_fails(monkeypatch, own_data):
    (own_data / "file").touch()
    monkeypatch.setattr(settings, "DROVER_DATA", own_data / "file")
    assert checks.data().ok is False


def test_installed_extensions_are_listed_with_what_is_wrong(packages):
    packages.add("class Odd:\n    def route(self, request): return None", routers={"odd": "Odd"})
    packages.add("raise RuntimeError('half installed')", package="broken", task_types={"broken": "Broken"})
    broken, odd = checks.installed_extensions()
    assert (odd.ok, odd.text) == (True, "router odd (acme-extras 1.0)")
    assert broken.ok is False
    assert "task type broken (broken 1.0): " in broken.text
    assert "half installed" in broken.text
    assert "start web and workers again" in broken.fix


@pytest.mark.django_db
def test_a_migrated_database_is_good():
    assert checks.database().ok is True


def test_the_redis_that_answers_is_named_with_its_version(redis_server):
    finding = checks.redis_to_use()
    assert (finding.ok, finding.text.split()[0]) == (True, checks.bundled_redis.answers(redis_server.url))


def test_a_configured_redis_that_is_away_fails(monkeypatch, own_data):
    monkeypatch.setattr(settings, "REDIS_URL", f"redis://127.0.0.1:{ports.free('127.0.0.1')}")
    assert checks.redis_to_use().ok is False


def test_a_bundled_redis_that_is_not_running_is_no_failure(monkeypatch, own_data):
    monkeypatch.setattr(settings, "REDIS_URL", checks.bundled_redis.url(data_folder.socket_path(own_data)))
    assert checks.redis_to_use().ok is None


def test_a_redis_that_is_too_old_fails():
    assert checks._redis_version("6.0.16").ok is False


@pytest.mark.django_db
class TestOllama:
    def test_a_configured_server_that_is_away_fails_with_what_to_look_at(self, monkeypatch):
        monkeypatch.setattr(settings, "DROVER_OLLAMA_HOSTS", [f"127.0.0.1:{ports.free('127.0.0.1')}"])
        (finding,) = checks.ollama()
        assert finding.ok is False
        assert "OLLAMA_HOST" in finding.fix

    def test_a_server_that_people_connected_is_looked_at_too(self, make_node):
        make_node(base_url=f"http://127.0.0.1:{ports.free('127.0.0.1')}")
        (finding,) = checks.ollama()
        assert finding.ok is False

    def test_a_circuit_that_is_not_closed_fails_with_what_to_look_at(self, make_node):
        make_node("gpu-a", faults=5, circuit_until=timezone.now() + timedelta(minutes=1), circuit_reason="HTTP 500")
        make_node("gpu-b", faults=2)
        (found,) = checks.circuits()
        assert (found.ok, found.name) == (False, "circuit")
        assert found.text.startswith("gpu-a: circuit open until ")
        assert "journalctl" in found.fix

    def test_no_server_at_all_is_worth_knowing_only(self, monkeypatch):
        monkeypatch.setattr(checks.fleet, "LOCAL", f"http://127.0.0.1:{ports.free('127.0.0.1')}")
        (finding,) = checks.ollama()
        assert finding.ok is None
        assert "demo" in finding.text

    def test_the_demo_is_told_as_what_it_is(self):
        checks.fleet.connect_simulated(30_000)
        (finding,) = checks.ollama()
        assert (finding.ok, finding.text) == (None, "demo mode: 3 simulated servers, invented answers")

    def test_an_address_that_may_not_be_called_fails(self, monkeypatch):
        monkeypatch.setattr(settings, "DROVER_OLLAMA_HOSTS", ["file:///etc/passwd"])
        (finding,) = checks.ollama()
        assert finding.ok is False

    def test_a_server_that_answers_is_good(self, monkeypatch, make_simulator):
        from orchestration.ollama.simulator import NodeSpec

        monkeypatch.setattr(settings, "DROVER_OLLAMA_HOSTS", make_simulator([NodeSpec()]).urls)
        (finding,) = checks.ollama()
        assert finding.ok is True


class TestSite:
    def test_what_was_never_started_is_told_how_to_start(self, own_data):
        (finding,) = checks.site()
        assert (finding.ok, finding.fix) == (False, "Start Drover with 'make run'.")

    def test_each_part_is_told(self, own_data, answering):
        url = answering(503, json.dumps(health(scheduler=False)).encode())
        with data_folder.held(own_data) as hold:
            hold.note(data_folder.Start(pid=1, url=url))
            findings = by_name(checks.site())
        assert {name: finding.ok for name, finding in findings.items()} == {
            "web": True,
            "scheduler": False,
            "worker": True,
        }

    def test_a_site_that_does_not_answer_fails(self, own_data):
        with data_folder.held(own_data) as hold:
            hold.note(data_folder.Start(pid=1, url=f"http://127.0.0.1:{ports.free('127.0.0.1')}"))
            (finding,) = checks.site()
        assert finding.ok is False

    def test_something_else_on_the_port_is_not_taken_for_drover(self, own_data, answering):
        with data_folder.held(own_data) as hold:
            hold.note(data_folder.Start(pid=1, url=answering(200, b"<html>")))
            (finding,) = checks.site()
        assert finding.ok is False
