# Set-up, start, tests and checks. Needs Python 3.11 or newer with pip; `make help` lists what there is.

VENV := $(or $(DROVER_VENV),.venv)
BIN := $(VENV)/bin
ifndef PYTHON
PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
endif
PYTEST_ARGS ?= -n auto --dist loadfile --no-loadscope-reorder
ARGS ?=
LOCK := --upgrade --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --quiet

.DEFAULT_GOAL := help
.PHONY: help run setup setup-dev test browser check format bench bench-long lock clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12
	@echo 'Options: ARGS="--demo --port 8080" for run, PYTEST_ARGS="tests/services" for test, DROVER_VENV, PYTHON.'

run: setup ## set everything up and start Drover; ARGS="--help" lists its options
	@exec $(BIN)/python manage.py up $(ARGS)

setup: $(VENV)/.base-installed ## the virtual environment with what Drover needs

setup-dev: $(VENV)/.dev-installed ## the same with what its development needs

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Drover needs Python 3.11 or newer. Found: $$(python3 --version 2>&1 || echo none)."; \
		echo "Install it, or name one: make run PYTHON=/path/to/python3.12"; exit 1; fi
	@echo "Making the virtual environment $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV) >$(VENV).log 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV) >>$(VENV).log 2>&1 || \
		{ cat $(VENV).log; rm -f $(VENV).log; \
		echo "Python's venv module does not work here. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@rm -f $(VENV).log

# Where Python came without ensurepip, the pip beside it installs into the new environment. The command `drover` comes
# last, from this folder: setuptools, which builds it, is among the requirements, so that no index is asked.
define install
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then pip="$(BIN)/python -m pip"; \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then pip="$(PYTHON) -m pip --python $(BIN)/python"; \
	else echo "There is no pip. On Debian and Ubuntu: apt install python3-pip python3-venv"; exit 1; fi; \
	echo "Installing $(1) (exact versions, checked by hash) ..."; \
	$$pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes -r $(1) && \
	$$pip install --quiet --disable-pip-version-check --no-input --no-deps --no-index --no-build-isolation --editable .
endef

$(VENV)/.base-installed: requirements/base.txt pyproject.toml | $(BIN)/python
	$(call install,requirements/base.txt)
	@touch $@

$(VENV)/.dev-installed: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(call install,requirements/dev.txt)
	@touch $(VENV)/.base-installed $@

test: setup-dev browser ## run the tests; what this machine lacks is skipped by name, unless CI=true
	$(BIN)/python -m pytest $(PYTEST_ARGS)

browser:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Chromium for the browser tests ..."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else echo "Without Chromium the browser tests are skipped. On Debian and Ubuntu: apt install chromium"; fi

check: setup-dev ## style, types, import contracts, missing migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@data=$$(mktemp -d) && DROVER_DATA="$$data" $(BIN)/python manage.py makemigrations --check --dry-run; \
		status=$$?; rm -rf "$$data"; exit $$status

format: setup-dev ## write the code the way `check` wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-dev ## measure the worker, the way to the first token, tasks a second, loads, and the scheduler's decisions
	$(BIN)/python manage.py bench_worker
	$(BIN)/python manage.py bench_latency
	$(BIN)/python manage.py bench_throughput
	$(BIN)/python manage.py bench_contexts
	$(BIN)/python manage.py bench_policy
	$(BIN)/python manage.py bench_decision

bench-long: setup-dev ## what takes many minutes: beside other schedulers in real time, and under random kills
	$(BIN)/python manage.py bench_fleet
	$(BIN)/python manage.py bench_chaos
	$(BIN)/python manage.py bench_batch
	$(BIN)/python manage.py bench_history

lock: setup-dev ## choose versions anew: writes requirements/*.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml $(LOCK) --output-file requirements/base.txt
	$(BIN)/uv pip compile pyproject.toml --group dev $(LOCK) --output-file requirements/dev.txt

clean: ## remove the virtual environment and caches; the data folder stays
	rm -rf $(VENV) drover.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
