# make          environment, then every target at smoke scale
# make test     the tests
# make quick    every target at quick scale (under an hour on 2 CPU cores)
# make paper    every target at paper scale (wants a GPU)

PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
ENV := .venv/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: all smoke quick paper test format bench-simulation clean

all: smoke

$(ENV): envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "lenscnn needs Python 3.11 or newer; try: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -r envs/requirements.txt
	@touch $@

smoke: $(ENV)
	snakemake --cores $(CORES) --quiet rules --configfile config/smoke.yaml -- all
	@echo
	@echo "Every figure and table stands in paper_figures/smoke/. At this scale they show that the"
	@echo "pipeline runs and nothing about lenses: results take 'make quick' or a GPU (README.md)."

quick: $(ENV)
	snakemake --cores $(CORES) --configfile config/quick.yaml -- all

paper: $(ENV)
	snakemake --profile profiles/local -- all

test: $(ENV)
	$(BIN)/python -m pytest

format: $(ENV)
	$(BIN)/ruff format src scripts tests
	$(BIN)/ruff check --fix src scripts tests
	$(BIN)/snakefmt Snakefile workflow

bench-simulation: $(ENV)
	PYTHONPATH=src $(BIN)/python scripts/bench_simulation.py

clean:
	rm -rf .venv results/smoke paper_figures/smoke logs/smoke benchmarks/smoke
