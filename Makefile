# make          environment, then every target at smoke scale
# make check    whether it can run here: environment, torch, Slurm, config, disk; of one's own config: CONFIG=mine.yaml
# make targets  what can be asked for, what it shows, how long it takes; of another scale: SCALE=quick; of one's own config: CONFIG=mine.yaml
# make test     the tests
# make test-fast   those of single functions, within a minute
# make test-slurm-full   the whole DAG, and more, on a Slurm cluster started for it (root, Debian)
# make test-faults FAULTS=200   as many random faults in a small run, a minute or so each
# make quick    every target at quick scale (a few hours on 2 CPU cores)
# make paper    every target at paper scale (wants a GPU)
# make test-config MUTATIONS=200   as many random mistakes in configs, each in a fraction of a second
# make figures  figures and tables from the predictions that are here; of another scale than paper: SCALE=quick
# make redrawn   the same anew, and a note that it came out as it is committed
# make report   the same as one HTML file, with captions, code and run times
# make provenance FIGURE=paper_figures/paper/scutt/fig5.png   what a product was made from
# make crate SCALE=smoke   a run as a Provenance Run Crate, ro-crate-metadata.json
# make records   join what jobs took here into benchmarks/paper.csv
# make deposit  what is here and in no commit, packed in deposit/ for an archive (docs/developers/releases.md)
# make bench    the table of speeds, benchmarks/speed.csv, and its plot
# make bench-simulation   of these only simulation
# make docs     the graph of rules and the claims in docs/, the tables of settings and of columns
# make docs-site   these documents as a site, in site/; a warning is an error

PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
ENV := .venv/.installed
BENCH_ENV := .venv-bench/.installed
DOCS_ENV := .venv-docs/.installed
SCALE ?= paper
ifneq ($(words $(SCALE)),1)
$(error SCALE is one scale, as paper, quick or smoke, not "$(SCALE)")
endif
CONFIG_OF_SCALE = config/$(patsubst paper,config,$(SCALE)).yaml
RELEASED = --configfile $(CONFIG_OF_SCALE) --config predictions=released
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: all smoke quick paper check targets figures redrawn report provenance crate records deposit docs docs-site test test-fast test-slurm-full test-faults test-config format types bench bench-simulation clean

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
	@echo "pipeline runs and nothing about lenses: trends take 'make quick', results 'make paper' (README.md)."

quick: $(ENV)
	snakemake --cores $(CORES) --configfile config/quick.yaml -- all

paper: $(ENV)
	snakemake --profile profiles/local -- all

check: $(ENV)
	@PYTHONPATH=src python tools/check.py $(CONFIG)

targets: $(ENV)
	@PYTHONPATH=src python tools/targets.py $(or $(CONFIG),$(CONFIG_OF_SCALE))

figures: $(ENV)
	snakemake --cores $(CORES) --quiet rules --keep-going $(RELEASED) -- figures

redrawn: $(ENV)
	@PYTHONPATH=src python tools/redrawn.py $(SCALE)

report: figures
	snakemake $(RELEASED) --report report_$(SCALE).html -- figures
	@ls -sh report_$(SCALE).html

provenance: $(ENV)
	@test -n "$(FIGURE)" || { echo "make provenance FIGURE=paper_figures/paper/scutt/fig5.png"; exit 1; }
	@PYTHONPATH=src python scripts/provenance.py $(FIGURE)

crate: $(ENV)
	@PYTHONPATH=src python tools/crate.py $(SCALE)

records: $(ENV)
	@PYTHONPATH=src python tools/records.py $(SCALE)

deposit: $(ENV)
	@PYTHONPATH=src python tools/deposit.py prepare $(SCALE)

docs: $(ENV)
	python tools/documents.py docs/workflow.md docs/results.md docs/limits.md
	PYTHONPATH=src python tools/config_reference.py
	python tools/table_reference.py

docs-site: $(DOCS_ENV)
	PYTHONPATH=src NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --clean --quiet
	@echo "site/index.html is its first page"

# A file's tests run in one process, which its fixtures count on; files go in the order of pyproject.toml.
test: $(ENV)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-fast: $(ENV)
	$(BIN)/python -m pytest tests/unit -m "not slow" --numprocesses auto --dist loadfile

test-slurm-full: $(ENV)
	SLURM_RECORD=$(CURDIR)/benchmarks/slurm_smoke.csv $(BIN)/python -m pytest -m slurm_full tests/cluster/test_slurm.py

test-faults: $(ENV)
	LENSCNN_FAULTS=$(or $(FAULTS),50) $(BIN)/python -m pytest -s tests/workflow/test_faults.py

test-config: $(ENV)
	LENSCNN_MUTATIONS=$(or $(MUTATIONS),200) $(BIN)/python -m pytest -s tests/unit/config/test_mutations.py

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

# Environments of their own, for the peers and for the site, which see all of the project's.
$(BENCH_ENV) $(DOCS_ENV): .venv-%/.installed: $(ENV) envs/%.txt
	$(BIN)/python -m venv --clear .venv-$*
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$(.venv-$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	.venv-$*/bin/pip install --quiet -r envs/$*.txt
	@touch $@

clean:
	rm -rf .venv .venv-bench .venv-docs site results/smoke paper_figures/smoke logs/smoke benchmarks/smoke
	find src -name __pycache__ -prune -exec rm -r {} +
