# SPDX-License-Identifier: Apache-2.0
#
# Variables that may be given on the command line:
#   PYTHON       the Python that makes .venv (default: the first of 3.11, 3.12, 3.10 that works)
#   TORCH_INDEX  a package index for PyTorch alone, for example the one with CPU-only builds
#   WORKERS      processes that run tests at once (default: 2)
#   DEMO_ARGS, TEST_ARGS, BENCH_ARGS, CHECK_ARGS   passed on to the command

SHELL := /bin/bash
BIN := .venv/bin
WORKERS := 2
export PYTHON TORCH_INDEX

.PHONY: demo test test-slow test-tensorrt test-jetpack6 test-pythons test-arm lint format bench policy jetson-check colcon venv clean

demo: venv
	$(BIN)/quantvla demo --out demo_out $(DEMO_ARGS)

# All but what takes minutes; a file's tests stay in one process, and share what it started.
# A process that dies ends the run and names its test: xdist would run the same test again, and
# hangs when the second process dies of it too.
test: venv
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile \
	    --no-loadscope-reorder --max-worker-restart=0 $(TEST_ARGS)

# What takes minutes or measures the machine, one after another.
test-slow: venv
	$(BIN)/python -m pytest -m slow $(TEST_ARGS)

# What checks engines and their graphs, in an environment of its own; needs no GPU.
test-tensorrt: venv
	.ci/check_tensorrt $(TEST_ARGS)

# Torch-TensorRT of JetPack 6.2, in an environment of its own (5 GB); takes minutes.
test-jetpack6: venv
	.ci/make_tensorrt_check jetpack6
	.venv-jetpack6/bin/python -m pytest test/backends -k torch_tensorrt_28 $(TEST_ARGS)

# What needs neither ROS nor the simulator, on the other supported Pythons.
test-pythons: venv
	.ci/check_pythons

# The kernels for 64-bit Arm in an emulator; says what to install where it cannot be run.
test-arm: venv
	.ci/check_arm

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_names
	$(BIN)/python -m studies.documents.tables --check
	$(BIN)/python -m studies.documents.reference_pages --check

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Measures the bundles of the last demo; without one, a demo makes them first.
bench: venv demo_out/summary.json
	mkdir -p bench_out
	$(BIN)/quantvla bench demo_out/int8 --against demo_out/float --buffer demo_out/buffer \
	    --out bench_out/bench.json --force $(BENCH_ARGS)

demo_out/summary.json: | venv
	$(BIN)/quantvla demo --out demo_out $(DEMO_ARGS)

policy: venv
	$(BIN)/python -m training.make_policy

# On a Jetson: the whole chain in one record, which docs/how-to/send-a-jetson-record.md asks for. It
# takes the Python that is there, for an environment of a robot is not the one of .venv.
jetson-check:
	PYTHONPATH=$(CURDIR)$${PYTHONPATH:+:$$PYTHONPATH} $${PYTHON:-python3} -m studies.jetson_check $(CHECK_ARGS)

colcon: venv
	.ci/check_colcon

venv:
	@.ci/make_venv

clean:
	rm -rf .venv .venv-* .venv.lock .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	    .import_linter_cache .coverage *.egg-info build install log demo_out demo_out.* bench_out
	find quantvla_ros calib_tools simulation studies training test launch -name __pycache__ \
	    -type d -prune -exec rm -rf {} +
