# make demo   the whole main job on a sample of real reviews: makes .venv, installs the light core, runs `melior demo`
# make test   makes the same .venv with everything the tests need, and runs them all
# make proofs measures what methods are worth and writes their cards: all that lack one, for two hours at most
# make lint   what CI checks beside the tests: ruff and mypy

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
TESTS ?= tests
WORKERS ?= 2
# tests run side by side: threads that wait must not keep the cores busy which others need
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-fast proofs lint lock docs clean

demo: $(VENV)/core.done
	$(BIN)/melior demo

test: $(VENV)/test.done
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --max-worker-restart 1 $(TESTS)

test-fast: $(VENV)/test.done
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --max-worker-restart 1 -m "not slow" $(TESTS)

# what a method is worth, measured: cards in the package, which `melior questions` and the documents show
proofs: $(VENV)/test.done
	$(BIN)/melior prove --all --budget 2h --out src/melior/questions/cards
	$(BIN)/python docs/make_reference.py

lint: $(VENV)/test.done
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy

docs: $(VENV)/test.done
	$(PIP) install --no-warn-script-location '.[docs]'
	$(BIN)/mkdocs build --strict

$(BIN)/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."'
	$(PYTHON) -m venv $(VENV)

$(VENV)/core.done: $(BIN)/python pyproject.toml
	$(PIP) install .
	touch $@

# the tests run with exactly these versions, each file of which is known by its hash
$(VENV)/test.done: $(BIN)/python pyproject.toml requirements/test.txt requirements/torch.txt
	$(PIP) install --require-hashes -r requirements/test.txt
	$(PIP) install --no-deps -r requirements/torch.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@ $(VENV)/core.done

# newer versions of what the tests run with, and the oldest that pyproject.toml allows
lock: $(BIN)/python
	$(PIP) install uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --upgrade --extra test requirements/build.in requirements/torch.in pyproject.toml -o requirements/test.txt
	$(BIN)/uv pip compile -q --python-version 3.11 --resolution lowest-direct --no-emit-index-url --no-emit-find-links \
	  --no-header --extra test requirements/build.in pyproject.toml -o requirements/lowest.txt

clean:
	rm -rf $(VENV) site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
