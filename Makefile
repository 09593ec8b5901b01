# make demo: set up and run the quickstart sweep.  make test: the fast suite.  make check: lint, format, types.
# EXTRAS=dev,parallel,rivals,dashboard also sets up JAX, torch and the losses of others, which some tests compare with.
PYTHON ?= python3
EXTRAS ?= dev,parallel
BIN := .venv/bin
comma := ,
INSTALLED := .venv/.installed-$(subst $(comma),-,$(EXTRAS))

.PHONY: demo install test test-slow mutants hydra-next check lock sweep-rivals throughput-rivals clean

demo: install
	$(BIN)/python train.py --multirun +sweeps=quickstart

install: $(INSTALLED)

# Exact versions come from the lock file, used as constraints: extras that are not asked for are not installed.
$(INSTALLED): pyproject.toml requirements.lock
	@if command -v uv >/dev/null 2>&1; then \
	  { test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) .venv; } && \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python -c requirements.lock -e '.[$(EXTRAS)]'; \
	else \
	  { test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv; } && \
	  $(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[$(EXTRAS)]'; \
	fi
	@touch $@

test: install
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-slow: install
	$(BIN)/python -m pytest -q -n 2 -m slow

# Breaks the losses in named ways, in a copy; each mistake must fail a test. Add OUTPUT=docs/mutants.md for the table.
mutants: install
	$(BIN)/python tests/mutants $(if $(OUTPUT),--output $(OUTPUT))

# The sweep's tests on Hydra's next release, laid over .venv; says what will have to change, and is no condition.
hydra-next: install
	$(PYTHON) -m venv --clear .venv-hydra-next
	.venv-hydra-next/bin/python -c "import site; print(site.getsitepackages()[0])" | \
	  { read -r folder; $(BIN)/python -c "import site; print(site.getsitepackages()[0])" > "$$folder/base.pth"; }
	.venv-hydra-next/bin/pip install --quiet --disable-pip-version-check --pre 'hydra-core>=1.4.0rc1,<1.5'
	.venv-hydra-next/bin/python -m pytest -q -W default tests/sweep tests/test_conf.py

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Pins for every extra, without the address of an index. Needs uv.
lock:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --no-header --no-annotate --no-emit-index-url --quiet --output-file requirements.lock

# The harnesses that `python -m benchmarks.sweep` measures beside this one and that do not fit into its environment.
sweep-rivals:
	@for name in ray hydra14; do \
	  test -x .venv-rivals/$$name/bin/python || $(PYTHON) -m venv --clear .venv-rivals/$$name; \
	done
	.venv-rivals/ray/bin/python -m pip install --quiet --disable-pip-version-check 'ray[tune]' 'optuna>=5,<6' 'mlflow<3.18'
	.venv-rivals/hydra14/bin/python -m pip install --quiet --disable-pip-version-check hydra-core==1.4.0rc3 \
	  hydra-optuna-sweeper==1.4.0rc3 hydra-joblib-launcher==1.4.0rc3 'mlflow<3.18'

# KerasTuner, Ray, and TensorBoard for MLflow's autologging, for `python -m benchmarks.throughput`: laid over .venv, whose
# TensorFlow they use.
throughput-rivals: KERAS := .venv-rivals/keras
throughput-rivals: install
	@test -x $(KERAS)/bin/python || $(PYTHON) -m venv --clear $(KERAS)
	@folder=$$($(KERAS)/bin/python -c "import site; print(site.getsitepackages()[0])"); \
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" > "$$folder/base.pth"
	$(KERAS)/bin/python -m pip install --quiet --disable-pip-version-check -c requirements.lock \
	  keras-tuner 'ray[tune]' tensorboard

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
