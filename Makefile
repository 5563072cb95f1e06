# The developer's menu: demo, test, check, shots. Each sets itself up from a bare clone.
# Needs Python >= 3.11 with venv; uses uv when it can be had, else pip.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

.PHONY: venv demo test check shots
venv: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "autoheal needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "no venv module: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@if command -v uv >/dev/null 2>&1 || $(BIN)/pip install --quiet uv >/dev/null 2>&1; then \
	  PATH="$(PATH):$(CURDIR)/$(BIN)" VIRTUAL_ENV="$(CURDIR)/$(VENV)" uv pip install --quiet --compile-bytecode -c constraints.txt -e '.[dev]'; \
	else \
	  $(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@

demo: venv
	@$(BIN)/autoheal demo $(ARGS)

test: venv
	@$(BIN)/python -m pytest -n 2 $(ARGS)

check: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/autoheal check policies runbooks

shots: venv
	@$(BIN)/python tools/shots.py $(ARGS)
