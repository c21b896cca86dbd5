# Two commands do all the set-up: `make ask` and `make test`.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

.PHONY: ask test test-all check clean

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

ask: $(VENV)/.core  ## answer a question about a recording rendered on the spot
	$(BIN)/python examples/first_question.py

test: $(VENV)/.dev  ## the quick tests: offline, CPU only
	$(BIN)/python -m pytest -n 2

test-all: $(VENV)/.dev  ## and the slow ones
	$(BIN)/python -m pytest -n 2 -m '' --hypothesis-profile=default

check: $(VENV)/.dev  ## style
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

clean:
	rm -rf $(VENV)
