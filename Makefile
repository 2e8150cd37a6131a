# `make demo` and `make test` set everything up by themselves.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.10 python3.9 python3 python,\
	$(if $(shell $(name) -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null \
	| grep -E '^3 (9|1[0-3])$$'),$(name),)))
VENV ?= .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
VERSION := import sys; print(*sys.version_info[:2])

.PHONY: help setup demo test test-stack test-all lint clean

help:
	@echo "make demo      phantom cohort, pre-training, fine-tuning, evaluation, export"
	@echo "make test      lint and the tests"
	@echo "make test-stack  lint and the tests that depend on TensorFlow's version"
	@echo "make test-all  and the long ones, with real scans (extra [test])"
	@echo "make lint      ruff alone"
	@echo "make clean     remove $(VENV) and demo_run"

# A Python that is named has to be the environment's, if there is one.
define SAME_PYTHON
if [ "$(origin PYTHON)" = "command line" ] && $(RUN) -c '' 2>/dev/null \
 && [ "$$($(PYTHON) -c '$(VERSION)')" != "$$($(RUN) -c '$(VERSION)')" ]; then echo "Error: $(VENV) has\
 another Python than $(PYTHON); name a folder for that one, VENV=.venv-other, or make clean." >&2; exit 1; fi
endef

setup: $(READY)
	@$(SAME_PYTHON)

# Again only when what is installed changed, so that an existing .venv costs nothing.
$(READY): requirements.txt setup.py pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "Error: dscl_tf needs Python 3.9 to 3.13\
	 (with venv), and none was found; install one, or name it: make PYTHON=/path/to/python3.11." >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 9) <= v <= (3, 13) else \
	"Error: dscl_tf needs Python 3.9 to 3.13, found %d.%d; name another: make PYTHON=/path/to/python3.11." % v)'
	@$(SAME_PYTHON)
	@echo "Setting up $(VENV); once, a few minutes."
	@$(RUN) -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

demo: setup
	@$(RUN) bin/demo.py --output=demo_run

lint: setup
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

# Files are shared out between two processes; JOBS=0 runs them in one, for a debugger.
JOBS ?= 2
# Without TensorFlow's notices of factories registered twice, once for each process.
PYTEST := TF_CPP_MIN_LOG_LEVEL=3 $(RUN) -m pytest -n $(JOBS) --dist loadfile

test: lint
	@$(PYTEST) -m "not slow and not real"

# What depends on the versions of Python, TensorFlow and Keras: for a second Python.
test-stack: lint
	@$(PYTEST) -m "not slow and not real" tests/networks tests/losses tests/pipeline \
	  tests/training tests/stages tests/methods tests/stacks tests/inference/export_test.py tests/bin \
	  tests/python_doc_test.py tests/cohort/nifti_headers_test.py

test-all: lint
	@$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@$(PYTEST)

clean:
	rm -rf $(VENV) demo_run
