# make          environment, then every target at smoke scale
# make test     the tests
# make test-fast   those of single functions, within a minute
# make test-slurm-full   the whole DAG, and more, on a Slurm cluster started for it (root, Debian)
# make test-faults FAULTS=200   as many random faults in a small run, a minute or so each
# make quick    every target at quick scale (a few hours on 2 CPU cores)
# make paper    every target at paper scale (wants a GPU)
# make figures  figures and tables from the predictions that are here; of one scale: SCALE=quick
# make report   the same as one HTML file a scale, with captions, code and run times
# make provenance FIGURE=paper_figures/quick/scutt/fig5.png   what a product was made from
# make records SCALE=paper   join what jobs took here into benchmarks/paper.csv
# make bench    the table of speeds, benchmarks/speed.csv, and its plot
# make bench-simulation   of these only simulation
# make docs     the graph of rules and the claims in docs/, the table of settings

PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
ENV := .venv/.installed
BENCH_ENV := .venv-bench/.installed
SCALE ?= quick $(if $(wildcard results/paper/*/predictions),paper)
RELEASED = --configfile config/$(patsubst paper,config,$*).yaml --config predictions=released
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: all smoke quick paper figures report provenance records docs test test-fast test-slurm-full test-faults format types bench bench-simulation clean

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

figures: $(SCALE:%=figures-%)

figures-%: $(ENV)
	snakemake --cores $(CORES) --quiet rules --keep-going $(RELEASED) -- figures

report: $(SCALE:%=report-%)

report-%: figures-%
	snakemake $(RELEASED) --report report_$*.html -- figures
	@ls -sh report_$*.html

provenance: $(ENV)
	@test -n "$(FIGURE)" || { echo "make provenance FIGURE=paper_figures/quick/scutt/fig5.png"; exit 1; }
	@PYTHONPATH=src python scripts/provenance.py $(FIGURE)

records: $(ENV)
	@PYTHONPATH=src python tools/records.py $(firstword $(SCALE))

docs: $(ENV)
	python tools/documents.py docs/workflow.md docs/results.md docs/limits.md
	PYTHONPATH=src python tools/config_reference.py

# A file's tests run in one process, which its fixtures count on.
test: $(ENV)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-fast: $(ENV)
	$(BIN)/python -m pytest tests/unit -m "not slow" --numprocesses auto --dist loadfile

test-slurm-full: $(ENV)
	SLURM_RECORD=$(CURDIR)/benchmarks/slurm_smoke.csv $(BIN)/python -m pytest -m slurm_full tests/cluster/test_slurm.py

test-faults: $(ENV)
	LENSCNN_FAULTS=$(or $(FAULTS),50) $(BIN)/python -m pytest -s tests/workflow/test_faults.py

format: $(ENV)
	$(BIN)/ruff format src scripts benchmarks tools tests
	$(BIN)/ruff check --fix src scripts benchmarks tools tests
	$(BIN)/snakefmt Snakefile workflow

types: $(ENV)
	$(BIN)/basedpyright

bench bench-simulation: $(BENCH_ENV)
	PYTHONPATH=src .venv-bench/bin/python benchmarks/speed \
	  --table benchmarks/speed.csv --plot benchmarks/speed.png \
	  $(if $(filter bench-simulation,$@),--parts simulation)

# An environment of its own that sees all of the project's and adds the peers.
$(BENCH_ENV): $(ENV) envs/bench.txt
	$(BIN)/python -m venv --clear .venv-bench
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$(.venv-bench/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	.venv-bench/bin/pip install --quiet -r envs/bench.txt
	@touch $@

clean:
	rm -rf .venv .venv-bench results/smoke paper_figures/smoke logs/smoke benchmarks/smoke
	find src -name __pycache__ -prune -exec rm -r {} +
