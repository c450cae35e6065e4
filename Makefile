# Two commands: `make run` shows the whole system at work, `make test` checks it. `make help` lists the rest.
VENV := .venv/bin
INPUTS := pyproject.toml deploy/constraints.txt deploy/install.sh
HOURS ?= 8
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run up test lint types contracts redis bench chaos soak faults clean
.DEFAULT_GOAL := help
.NOTPARALLEL:

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: .venv/run.done ## The demo: the system tells a story in four acts and stays up (ARGS=--once: then ends)
	@$(VENV)/hookline demo $(ARGS)

up: .venv/run.done ## The system alone, supervised
	@$(VENV)/hookline up $(ARGS)

test: .venv/test.done redis lint types contracts ## Everything that CI checks: lint, types, contracts, all tests
	$(VENV)/python -m pytest $(ARGS)

lint: .venv/test.done ## Style and complexity
	$(VENV)/ruff check --quiet .
	$(VENV)/ruff format --check --quiet .

types: .venv/test.done ## Types, strictly
	$(VENV)/mypy

contracts: .venv/test.done ## Who may import whom
	$(VENV)/lint-imports --no-logo

bench: .venv/test.done ## The figures of the README, measured on this machine
	$(VENV)/python -m tests.bench $(ARGS)

chaos: .venv/test.done ## Ten minutes of faults under load, its ledger and report (ARGS="--minutes 30 --seed 7")
	$(VENV)/python -m tests.chaos $(ARGS)

soak: .venv/test.done ## The same for HOURS (8): a gentle load, fewer faults, memory watched
	$(VENV)/python -m tests.chaos --hours $(HOURS) $(ARGS)

faults: .venv/test.done redis ## Every row of the fault list in full length; `make test` has the short forms
	CHAOS_LONG=1 $(VENV)/python -m pytest tests/chaos --durations=0 $(ARGS)

clean: ## Remove the virtual environment and the caches; the data in .hookline stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# A second server for the compatibility tests; without it they say why they are skipped.
redis:
	@if ! command -v redis-server >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "Installing redis-server for the compatibility tests"; \
	    { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y redis-server; } \
	        >/dev/null 2>&1 || echo "redis-server could not be installed: those tests are skipped"; \
	fi

.venv/run.done: $(INPUTS)
	@PYTHON="$(PYTHON)" deploy/install.sh run
	@touch $@

.venv/test.done: $(INPUTS)
	@PYTHON="$(PYTHON)" deploy/install.sh test
	@touch $@ .venv/run.done
