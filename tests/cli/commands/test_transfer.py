"""The configuration from the command line."""

import pytest

TRIAL = {
    "applied": False,
    "mode": "merge",
    "counts": {"added": 1, "changed": 1, "removed": 0, "unchanged": 4},
    "changes": [
        {
            "section": "agents",
            "name": "a",
            "change": "changed",
            "fields": [{"field": "options.seed", "before": None, "after": 3}],
        },
        {
            "section": "nodes",
            "name": "n",
            "change": "added",
            "fields": [{"field": "enabled", "before": None, "after": True}],
        },
    ],
    "credentials_restored": [],
    "warnings": ["gpu-a has a new address."],
    "based_on": "abc",
}
DONE = {**TRIAL, "applied": True, "credentials_restored": ["gpu-b"]}
NOTHING = {**TRIAL, "changes": [], "warnings": [], "counts": {"added": 0, "changed": 0, "removed": 0, "unchanged": 6}}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "drover.yaml"
    path.write_text("drover_config: 1\n")
    return path


def test_the_configuration_is_written_as_it_came(drover, server, tmp_path):
    server.on("GET", "config/export", (200, {"drover_config": 1}))
    assert drover("config", "export", "--sections", "agents").json == {"drover_config": 1}
    target = tmp_path / "out.json"
    assert str(target) in drover("config", "export", str(target)).stdout
    assert target.read_text() == '{"drover_config": 1}'
    assert server.queries("config/export") == [{"format": "yaml", "sections": "agents"}, {"format": "json"}]


def test_credentials_are_exported_with_a_passphrase_only(drover, server, monkeypatch):
    server.on("POST", "config/export", (200, {"secrets": {}}))
    assert drover("config", "export", "--with-secrets").exit_code == 2
    monkeypatch.setenv("DROVER_PASSPHRASE", "größe")
    assert drover("config", "export", "--with-secrets").exit_code == 0
    assert server.bodies("POST", "config/export") == [{"passphrase": "größe", "format": "yaml", "sections": []}]


def test_a_file_is_imported_and_what_changed_is_told(drover, server, file, monkeypatch):
    server.on("POST", "config/import", (200, DONE))
    monkeypatch.setenv("DROVER_PASSPHRASE", "größe")
    outcome = drover("config", "import", str(file), "--replace", "--with-secrets")
    assert outcome.exit_code == 0
    assert "~ agents: a\n    options.seed: nothing → 3\n+ nodes: n\n    enabled: true\n" in outcome.stdout
    assert "1 added, 1 changed; 4 as they are." in outcome.stdout
    assert "Credentials restored: gpu-b." in outcome.stdout
    assert "gpu-a has a new address." in outcome.stderr
    (call,) = server.calls
    assert (call.query["mode"], call.text, call.headers["Content-Type"]) == (
        "replace",
        b"drover_config: 1\n",
        "application/yaml",
    )
    assert call.headers["X-Passphrase"] == "gr%C3%B6%C3%9Fe"


def test_a_trial_run_changes_nothing(drover, server, file):
    server.on("POST", "config/import", (200, TRIAL))
    outcome = drover("config", "import", str(file), "--dry-run")
    assert "Done" not in outcome.stdout
    assert [query["dry_run"] for query in server.queries("config/import")] == ["true"]
    assert drover("config", "diff", str(file)).exit_code == 1
    server.on("POST", "config/import", (200, NOTHING))
    outcome = drover("config", "diff", str(file))
    assert (outcome.exit_code, outcome.stdout) == (0, "Nothing changes; 6 as they are.\n")


def test_every_problem_is_told_with_its_place(drover, server, file):
    problems = [{"path": f"agents[{number}].models", "message": "It is a list of texts."} for number in range(5)]
    server.refuse("POST", "config/import", 422, "invalid_config", "Much is wrong.", problems=problems)
    outcome = drover("config", "import", str(file))
    assert outcome.exit_code == 4
    assert "there are 5 problems" in outcome.stderr
    assert "agents[4].models: It is a list of texts." in outcome.stderr


def test_a_file_is_checked(drover, server, file):
    server.on("POST", "config/validate", (200, {"valid": True, "problems": [], "outcome": TRIAL}))
    assert "is valid" in drover("config", "validate", str(file)).stdout
    problems = [{"path": "agents[0].name", "message": "Each agent has a name."}]
    server.on("POST", "config/validate", (200, {"valid": False, "problems": problems, "outcome": None}))
    outcome = drover("config", "validate", str(file))
    assert outcome.exit_code == 1
    assert "agents[0].name\tEach agent has a name." in outcome.stdout


def test_a_reset_is_looked_at_and_confirmed(drover, server):
    server.on("POST", "config/reset", (200, TRIAL))
    assert drover("config", "reset", "--dry-run").exit_code == 0
    refused = drover("config", "reset", "--sections", "agents,nodes")
    assert (refused.exit_code, "--yes" in refused.stderr) == (2, True)
    assert drover("config", "reset", "--sections", "agents,nodes", "--yes").exit_code == 0
    assert server.bodies("POST", "config/reset")[-1] == {"sections": ["agents", "nodes"], "based_on": "abc"}


def test_settings_say_where_they_come_from(drover, server):
    rows = [
        {
            "name": "DROVER_STAY",
            "value": "6",
            "default": "6",
            "source": "default",
            "help": "Stays.",
            "group": "g",
            "unless": "",
        },
        {
            "name": "DROVER_HOT",
            "value": "1",
            "default": "0.5",
            "source": "environment",
            "help": "Hot.",
            "group": "g",
            "unless": "",
        },
    ]
    server.on("GET", "settings", (200, {"settings": rows, "unknown": [{"name": "DROVER_HOTT", "near": "DROVER_HOT"}]}))
    outcome = drover("settings", "--changed")
    assert "DROVER_HOT\t1\tenvironment\t0.5\tHot." in outcome.stdout
    assert "DROVER_STAY" not in outcome.stdout
    assert "There is no setting DROVER_HOTT. Is DROVER_HOT meant?" in outcome.stderr


def test_the_system_is_told_part_by_part(drover, server):
    part = {"name": "Redis", "facts": [{"name": "version", "text": "7.2", "state": "ok"}]}
    server.on("GET", "system", (200, {"at": "now", "parts": [part]}))
    assert drover("system").stdout == "Redis\nversion: 7.2\n"
