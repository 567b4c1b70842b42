# Everything happens in .venv; nothing is installed into the system's Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Threads that wait for each other cost more than they give: on a busy computer up to thirtyfold.
export OMP_WAIT_POLICY := PASSIVE
export OPENBLAS_NUM_THREADS := 1

# Test processes; each takes whole files. TESTS=tests/runtime/scoring runs one folder.
TEST_PROCESSES ?= $(shell getconf _NPROCESSORS_ONLN)
TESTS ?= tests
# Each test process has a core; a second thread of each would only wait for it.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

.PHONY: demo test test-fast test-random durations emulated services arm-counts fuzz soak lint benchmarks docs screenshots clean release

# Of each target of `make fuzz`, seconds.
FUZZ_SECONDS ?= 300
FUZZ_TARGETS ?= artifact names network rewriter recording trackstate

demo: $(VENV)/.for-demo  ## environment, synthetic machines, train, export, calibrate, evaluate, monitor
	rm -rf demo
	$(BIN)/edgeae demo -o demo

test: $(VENV)/.installed  ## all tests
	$(PYTEST) $(TESTS)

test-fast: $(VENV)/.installed  ## without the slow ones: for the time between two edits
	$(PYTEST) -m "not slow and not emulated and not services" $(TESTS)

test-random: $(VENV)/.installed  ## all tests in random order, twice: none may depend on another
	$(PYTEST) -p randomly $(TESTS)
	$(PYTEST) -p randomly $(TESTS)

durations: $(VENV)/.installed  ## the tests that take longest
	$(PYTEST) --durations=30 --durations-min=1 $(TESTS)

emulated: $(VENV)/.installed  ## int8 on the processors of a Raspberry Pi and on an older x86-64
	scripts/install-emulator
	$(PYTEST) --dist load -m emulated tests/emulated

services: $(VENV)/.installed  ## systemd, and Home Assistant if HASS names its program: which ran, and why others did not
	$(BIN)/pytest -m services -rA --tb=short tests/services

arm-counts: $(VENV)/.installed  ## instructions per second of sound on the processors of a Raspberry Pi; needs qemu-user
	scripts/install-emulator
	rm -rf build/arm && mkdir -p build/arm
	$(BIN)/python scripts/make-artifact.py build/arm
	$(BIN)/edgeae export build/arm/run -o build/arm/model.onnx
	$(BIN)/python benchmarks/arm_counts.py build/arm/model.int8.onnx build/arm/model.onnx

fuzz: $(VENV)/.installed .fuzz/machine.onnx  ## hostile files, minutes a target, and 200 killed writers
	$(BIN)/pip install --quiet --editable '.[train,dev,fuzz]' --config-settings editable_mode=strict
	set -e; for target in $(FUZZ_TARGETS); do $(BIN)/python fuzz/$$target.py -max_total_time=$(FUZZ_SECONDS); done
	EDGEAE_KILLS=200 $(BIN)/pytest tests/runtime/test_power_loss.py tests/runtime/test_killed_listener.py

.fuzz/machine.onnx: | $(VENV)/.installed
	$(BIN)/python fuzz/seed.py

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks fuzz scripts contrib setup.py

soak: $(VENV)/.installed  ## a day of sound through the live path; SOAK_HOURS=1 for less
	rm -rf build/soak && mkdir -p build/soak
	$(BIN)/python scripts/make-artifact.py build/soak
	$(BIN)/edgeae calibrate build/soak/model.int8.onnx build/soak/data --machine id_00 -o build/soak/machine.onnx
	$(BIN)/python benchmarks/soak.py build/soak/machine.onnx build/soak/data/train $(wildcard $(EDGEAE_DATA)/drone_motor/test) --hours $(or $(SOAK_HOURS),24)

benchmarks: $(VENV)/.installed  ## time, memory, accuracy; beside peers where they have a wheel for this Python
	$(BIN)/pip install --quiet --only-binary librosa,kaldi-native-fbank,ai-edge-litert --editable '.[train,mqtt,notify,dev,peers]' --config-settings editable_mode=strict || echo 'not all peers can be installed here: the table says which are missing'
	$(BIN)/pytest benchmarks

docs: $(VENV)-docs/.installed  ## the documentation as pages in site/, all links checked
	$(VENV)-docs/bin/python scripts/make-command-reference
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --clean
	$(VENV)-docs/bin/python scripts/check-site site
	@echo 'open site/index.html; with search: python3 -m http.server --directory site'

screenshots: $(VENV)/.installed  ## the pictures of the README, in docs/pictures/
	$(BIN)/python scripts/make-screenshots

release: $(VENV)/.installed $(VENV)-release/.installed  ## dist/: source archive and wheel, checked and tried
	scripts/release

# An environment of its own: twine brings cryptography, keyring and twenty more that nothing else needs. Without
# readme_renderer[md] it takes any Markdown for good; from 6.1 on it knows licence files.
$(VENV)-release/.installed: Makefile
	$(PYTHON) -m venv --clear $(VENV)-release
	$(VENV)-release/bin/pip install --quiet 'build>=1.2' 'twine>=6.1' 'readme_renderer[md]>=44'
	touch $@

# One environment, with what each purpose needs: a demo installs no test tools, and tests add theirs
# to what a demo has installed. TORCH_INDEX=URL: torch from there, see scripts/make-environment.
# A strict editable install links each file, so a new file in any folder of a stage needs it again.
STAGES := runtime calibrate train quantize evaluate configs
FOLDERS := $(shell find $(STAGES) -type d -not -name __pycache__)
# An environment of its own: nothing else needs MkDocs. The commands are imported, for their reference.
$(VENV)-docs/.installed: pyproject.toml $(FOLDERS)
	$(PYTHON) -m venv --clear $(VENV)-docs
	$(VENV)-docs/bin/pip install --quiet --editable '.[docs]' --config-settings editable_mode=strict
	touch $@

$(VENV)/.for-demo: pyproject.toml $(FOLDERS)
	@$(PYTHON) scripts/make-environment $(VENV) train
	@touch $@

$(VENV)/.installed: pyproject.toml $(FOLDERS)
	@$(PYTHON) scripts/make-environment $(VENV) train,mqtt,notify,cluster,dev
	@touch $(VENV)/.for-demo $@

clean:
	rm -rf $(VENV) $(VENV)-release $(VENV)-docs site .emulated .fuzz build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
