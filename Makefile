# Everything a reader or a contributor does. Needs make and Python >= 3.11; .venv is made when it is missing or old.

PYTHON ?= python3
ARGS   ?=
VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
RUNS   := runs

# Notebooks run in this .venv and look the same for everybody, whatever else the machine has for Jupyter.
unexport JUPYTER_PATH MPLBACKEND PYTHONPATH PYTHONHOME
export JUPYTER_PREFER_ENV_PATH := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help train test quick-test test-browser lab handout grade site bench check format store times clean

help:
	@echo "make train   train and evaluate on drawn people (notebooks/03_train.ipynb, a few minutes on a CPU)"
	@echo "             with other settings: make train ARGS=\"-p dataset cuhk03 -p root data/cuhk03 -p profile full\""
	@echo "make lab     open the course in JupyterLab: a map, and copies of the notebooks without outputs in work/"
	@echo "make handout write notebooks without solutions and answers, for a class, into handout/ (OUT=folder)"
	@echo "make grade   try the exercises in handed-in notebooks, isolated: FOLDER=folder, verdicts in grades.csv"
	@echo "make test    everything that CI runs: check, tests, the notebooks, a training by papermill"
	@echo "make quick-test   the unit tests of what is edited most, for whoever edits (three minutes)"
	@echo "make test-browser   press Run All in a real JupyterLab: every notebook, needs Chromium (minutes)"
	@echo "make check   style and import floors only (seconds)"
	@echo "make format  format the code with ruff, and fix what it can"
	@echo "make store   run the notebooks again and store their outputs (ARGS=\"03_train\" for one)"
	@echo "make times   measure how long each notebook runs after cloning (ARGS=--check: compare with the stated times)"
	@echo "make site    notebooks, API reference and pages as static HTML in build/site (a minute, offline)"
	@echo "make bench   measure a training step: RGA, the plain and the literal network, every attention, every option"
	@echo "make clean   remove .venv and caches; runs/ and data/ stay"

$(READY): pyproject.toml constraints.txt
	@test -x $(PY) || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "rga needs Python 3.11 or newer, but \"$(PYTHON)\" is: $$($(PYTHON) --version 2>&1)."; \
	    echo "Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { \
	    echo "\"$(PYTHON) -m venv $(VENV)\" failed. Debian and Ubuntu keep venv apart: apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV): once, some minutes (PyTorch is large)"
	@$(PY) -m pip install $(if $(CI),--quiet) -c constraints.txt -e ".[notebooks,dev,export,site]"
	@mkdir -p $(VENV)/etc/ipython
	@echo 'c.IPKernelApp.log_level = "ERROR"  # no word on unencrypted TCP to this same machine' \
	    > $(VENV)/etc/ipython/ipython_kernel_config.py
	@touch $@

# The notebook lies beside the checkpoint and metrics.json: in the folder that -p out names, else in the profile's. It
# gets its name when the run is done, so that a run that is refused leaves the earlier one's.
given = $(shell set -- $(ARGS); while [ "$$3" ]; do [ "$$1 $$2" = "-p $(1)" ] && v=$$3; shift; done; echo "$$v")
train: OUT = $(or $(call given,out),$(RUNS)/$(patsubst quick,train,$(or $(call given,profile),$(RGA_PROFILE),quick)))
train: $(READY)
	@out="$(OUT)"; mkdir -p "$$out"; echo "notebooks/03_train.ipynb -> $$out/03_train.ipynb"; \
	$(PY) -m papermill -k python3 --no-progress-bar --log-level WARNING --stdout-file - \
	    notebooks/03_train.ipynb "$$out/03_train.part.ipynb" $(ARGS) || { \
	    echo "It stopped; as far as it came: $$out/03_train.part.ipynb"; exit 1; }; \
	mv "$$out/03_train.part.ipynb" "$$out/03_train.ipynb"; \
	echo "Read it with its figures: make lab, then $$out/03_train.ipynb"

# .jupyterlab/ holds what differs from JupyterLab's own settings: Markdown opens rendered, no question about news.
LAB := --ServerApp.root_dir="$(CURDIR)" --LabApp.app_settings_dir="$(CURDIR)/.jupyterlab"
LAB += --LabApp.default_url=/lab/tree/work/README.md $(if $(filter 0,$(shell id -u)),--allow-root)
lab: $(READY)
	@$(PY) -m rga.course.copies work
	@$(PY) -m jupyter lab $(LAB) $(ARGS)

handout: OUT ?= handout
handout: $(READY)
	@$(PY) -m rga.course.copies handout "$(OUT)"

grade: $(READY)
	@test "$(FOLDER)" || { echo "Name the folder of the notebooks: make grade FOLDER=handed_in"; exit 1; }
	@$(PY) -m rga.course.grade "$(FOLDER)" $(ARGS)

check: $(READY)
	@$(PY) -m ruff check --quiet
	@$(PY) -m ruff format --check --quiet || { echo "Not in ruff's format. To format it: make format"; exit 1; }
	@$(VENV)/bin/lint-imports --no-cache --no-logo

# tests/ (with a training through papermill), and nbval on the stored notebooks, which compares the cells that are
# tagged. JOBS processes of one thread each: threads that outnumber the cores wait for each other.
JOBS  ?= 2
NBVAL := --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval.cfg
test: export RGA_PROFILE := quick
test: export OMP_NUM_THREADS := 1
test: check
	@$(PY) -m pytest -q -ra --durations=10 -n $(JOBS) --dist loadscope --no-loadscope-reorder \
	    $(NBVAL) tests $(wildcard notebooks/*.ipynb) $(ARGS)

# Three minutes of it, on what is edited most: no notebooks, no browser, no site, and of the rest not what takes long.
SLOW  := $(addprefix tests/,training/test_loop_options.py training/test_loop_processes.py models/test_attaching_anywhere.py \
             models/test_attention.py models/test_backbones.py models/test_reid.py models/test_timm_backbones.py \
             data/test_random_folders.py)
quick-test: export RGA_PROFILE := quick
quick-test: export OMP_NUM_THREADS := 1
quick-test: $(READY)
	@$(PY) -m pytest -q -n $(JOBS) --dist loadscope $(addprefix --ignore=,$(SLOW)) \
	    tests/models tests/metrics tests/training tests/data tests/io $(ARGS)

# make test presses Run All in a small notebook only.
test-browser: $(READY)
	@$(PY) -m pytest -q -rs -s tests/browser/test_jupyterlab.py tests/browser/run_all.py $(ARGS)

format: $(READY)
	@$(PY) -m ruff check --fix --quiet
	@$(PY) -m ruff format

store: $(READY)
	@$(PY) tests/store_notebooks.py $(ARGS)

times: $(READY)
	@$(PY) tests/time_notebooks.py $(ARGS)

site: $(READY)
	@$(PY) docs/site/build.py build/site
	@echo "Open build/site/index.html"

# The other files in bench/ take hours, a data set or other projects' code: their first lines say how to run them.
bench: $(READY)
	@set -e; for name in train_step attention options; do echo "bench/$$name.py"; $(PY) bench/$$name.py $(ARGS); done

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
