# One command a chore, the same here and in CI. Each makes its environment from a bare Python 3.11-3.13 and pip.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
# The oldest TensorFlow, with tensorflow-io, which has no wheels for Python 3.13.
PYTHON_IO ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
VENV_IO := .venv-io
# The store and what it is made by and for, the contract, and what NumPy 1 computes otherwise; `make proof` runs all.
# Of training what TensorFlow's kernels and its saving decide; kills and explanations are of Python's making.
LOOP_IO := every_batch_of_every_epoch_once_and_in_order a_stopped_fit_goes_on_to_the_same_weights sample_weights_of_the_store_count calibrating_on_a_store_or_its_source_is_the_same a_regressor_learns_from_a_store resume_in_half_precision a_keras_model_of_ones_own_goes_on_from_a_stream
TESTS_IO := tests/store tests/offline/test_precompute.py $(LOOP_IO:%=tests/training/test_loop.py::test_%) tests/test_contract.py tests/test_old_artefacts.py tests/evaluate/scoring tests/evaluate/tables $(filter-out %/test_head_of_a_user.py,$(wildcard tests/evaluate/test_*.py)) blocks/evaluate/scoring
# Each process of the tests takes about 2 GB.
WORKERS ?= 2
# blocks leaves out what TensorFlow logs as it is loaded, unless this is set: not in the demo, which shows what a user sees
test test-io bench proof: export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-io check wheel bench proof format clean

demo: $(VENV)/ready  ## the main job, end to end, on real data
	$(BIN)/python examples/quickstart.py

test: $(VENV)/ready  ## every test and every docstring's example
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

test-io: $(VENV_IO)/ready  ## the tests on the oldest TensorFlow, with tensorflow-io; TESTS_IO= for every one
	BLOCKS_KILLS=2 $(VENV_IO)/bin/python -m pytest -q -n $(WORKERS) --dist worksteal $(TESTS_IO)

check: $(VENV)/ready  ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel:  ## what a user installs, in dist: its contents checked, the quickstart run with it in an empty environment
	$(PYTHON) .ci/wheel.py

bench: $(VENV)/ready  ## every claim, ours and the peers' side by side; JSON in benchmarks/results
	$(BIN)/python benchmarks/run.py

# schemathesis brings too much of its own to be among ours: BLOCKS_SCHEMATHESIS names its program
proof: $(VENV)/ready  ## the heaviest proofs in full: hundreds of kills and bit flips, ten million rows
	BLOCKS_INSTALLS=1 BLOCKS_ONNX=1 BLOCKS_REPORTS=1 BLOCKS_RUN_KILLS=50 BLOCKS_REPRODUCED=20 BLOCKS_KILLS=100 BLOCKS_FIT_KILLS=10 BLOCKS_FLIPS=1000 BLOCKS_HOSTILE=1000 BLOCKS_SCHEMAS=300 BLOCKS_DRIFT_PAIRS=1000 BLOCKS_DUPLICATE_ROWS=10000000 BLOCKS_SCORED_ROWS=10000000 BLOCKS_REQUESTS=100000 BLOCKS_SERVER_KILLS=20 BLOCKS_CASES=10000 $(BIN)/python -m pytest -q -m proof
	BLOCKS_HYPOTHESIS=search $(BIN)/python -m pytest -q tests/statistics tests/preprocessors
	$(MAKE) test-io TESTS_IO=
	$(BIN)/python benchmarks/scale.py 1000000 10000000

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/ready: pyproject.toml .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt --editable ".[dev]"
	touch $@

$(VENV_IO)/ready: pyproject.toml .ci/constraints-io.txt
	test -x $(VENV_IO)/bin/python || $(PYTHON_IO) -m venv $(VENV_IO)
	# A server of S3 for the tests of stores behind URLs
	$(VENV_IO)/bin/python -m pip install --quiet --constraint .ci/constraints-io.txt --editable ".[dev,io]" "moto[s3]" flask flask-cors
	touch $@

clean:
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/results demo
