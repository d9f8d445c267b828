# make run          a search on the hopper, from nothing but Python 3.11 or newer; the last
#                   line printed is the run folder. Settings: ARGS="task=ant llm=openai"
# make test         lint, types and tests
# make test-extras  tests of the optional extras, which it installs: Stable-Baselines3, CLIP,
#                   MJX, bundles for robots, the page for people; and a long one: runs of which
#                   fifty times something is killed
# make pins         renew constraints.txt from the versions in .venv
# make clean        remove what the others made, except outputs/

.SILENT:
.PHONY: help run test test-extras pins clean

BIN := .venv/bin
ARGS ?=
PYTEST_ARGS ?= -n 2
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

help:
	sed -n 's/^# \?//p;/^$$/q' Makefile

run: .venv/.core
	$(BIN)/reward-synth run $(ARGS)

test: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/pytest $(PYTEST_ARGS)

test-extras: .venv/.extras
	KILLS=50 $(BIN)/pytest $(PYTEST_ARGS) tests/extras tests/search/test_kill.py

pins: .venv/.extras
	{ echo "# The versions that this release is tested with. Made with: make pins"; \
	  $(BIN)/python -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==' | sed 's/+.*//' | sort -f; \
	} > constraints.txt

clean:
	rm -rf .venv/.core .venv/.dev .venv/.extras dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	if [ -L .venv ]; then rm .venv; else rm -rf .venv; fi

.venv/bin/python:
	for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	  if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	    2>/dev/null; then exec $$python -m venv .venv; fi; \
	done; \
	echo "reward-synth needs Python 3.11 or newer, with its venv module." >&2; \
	echo "Debian, Ubuntu: sudo apt install python3 python3-venv" >&2; \
	echo "macOS:          brew install python@3.13" >&2; \
	echo "elsewhere:      https://www.python.org/downloads, then make run PYTHON=<its path>" >&2; \
	exit 1

.venv/.core: pyproject.toml constraints.txt | .venv/bin/python
	echo "Installing reward-synth into .venv; this is done once." >&2
	$(PIP) -e .
	touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	echo "Installing reward-synth and its development tools into .venv; this is done once." >&2
	$(PIP) -e '.[dev]'
	touch .venv/.core $@

.venv/.extras: pyproject.toml constraints.txt | .venv/bin/python
	echo "Installing reward-synth with its extras into .venv; this is done once." >&2
	$(PIP) -e '.[dev,sb3,label,clip,mjx,deploy]' 'mujoco-mjx[warp]' evalica playwright
	touch .venv/.core .venv/.dev $@
