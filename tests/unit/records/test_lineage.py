"""Chains of files: what is read from a plan and from records, and what is said of it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from lenscnn.core import storage, weights
from lenscnn.records import lineage, provenance, verdict
from lenscnn.records.checkout import Checkout

PLAN = """Building DAG of jobs...
[Mon Jan  1 00:00:00 2024]
rule population:
    input: scripts/population.py, src/lenscnn/plotting/paper.mplstyle
    output: results/quick/catalogue.h5
    jobid: 3
Shell command: python scripts/population.py --spec population.json > catalogue.log 2>&1

[Mon Jan  1 00:00:00 2024]
rule train:
    input: results/quick/catalogue.h5, results/quick/shard_0.h5, results/quick/shard_1.h5
    output: results/quick/cnn.pt, results/quick/history.jsonl
Shell command: python scripts/train.py --spec training.json --n-settings null.json

[Mon Jan  1 00:00:00 2024]
localrule fig1:
    input: results/quick/cnn.pt, results/quick/catalogue.h5, scripts/fig1.py
    output: paper_figures/quick/fig1.pdf, paper_figures/quick/fig1.png
    reason: Forced execution
Shell command: None
"""
FIGURE, WEIGHTS = "paper_figures/quick/fig1.png", "results/quick/cnn.pt"
CATALOGUE, SHARD = "results/quick/catalogue.h5", "results/quick/shard_{}.h5"
POPULATION = {"q": 0.8, "seed": 1}
TRAINING = {"epochs": 2, "images": {"q": 0.8}, "seed": 0}


def write(path, spec, inputs=(), **changes):
    record = provenance.collect(spec, list(inputs)) | changes
    if path.endswith(".pt"):
        weights.save(path, {"provenance": record})
    else:
        storage.write_h5(path, {"x": np.arange(3)}, record)


def write_specs():
    specs = {"population": POPULATION, "training": TRAINING, "null": None}
    for name, spec in specs.items():
        Path(f"{name}.json").write_text(json.dumps(spec))


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """The plan, in a folder that holds the figure, its weights and the catalogue, no images."""
    monkeypatch.chdir(tmp_path)
    shards = [SHARD.format(k) for k in range(2)]
    write(CATALOGUE, POPULATION)
    for shard in shards:
        write(shard, {"population": POPULATION}, [CATALOGUE])
    write(WEIGHTS, TRAINING, [CATALOGUE, *shards])
    with storage.atomic_write(FIGURE) as path:
        path.write_text("a figure")
    for shard in shards:
        (tmp_path / shard).unlink()
    write_specs()
    return lineage.read_plan(PLAN)


def said(plan, target=FIGURE):
    """The tree of a product, judged where there is no history of any code."""
    chain = lineage.trace(target, plan)
    verdict.judge(chain, [], Checkout("."))
    return "\n".join(lineage.tree(target, chain))


def test_a_plan_names_data_and_specs_but_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_specs()
    plan = lineage.read_plan(PLAN)
    assert plan.keys() == {
        CATALOGUE, WEIGHTS, "results/quick/history.jsonl", FIGURE, FIGURE.replace("png", "pdf"),
    }  # fmt: skip
    assert plan[FIGURE].rule == "fig1" and plan[FIGURE].inputs == [WEIGHTS, CATALOGUE]
    assert plan[CATALOGUE].inputs == [] and plan[CATALOGUE].specs == [POPULATION]
    assert plan[WEIGHTS].specs == [TRAINING] and plan[FIGURE].specs == []


def test_a_plan_names_the_code_of_each_job_the_script_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_specs()
    plan = lineage.read_plan(PLAN)
    lineage.add_code(plan, PLAN)
    assert plan[CATALOGUE].code == [
        "scripts/population.py", "src/lenscnn/plotting/paper.mplstyle"
    ]  # fmt: skip
    assert plan[FIGURE].code[0].endswith("/fig1.py") and plan[WEIGHTS].code == []


def test_a_chain_as_a_tree(plan):
    tree = said(plan)
    lines = tree.splitlines()
    assert lines[0] == f"{FIGURE}  [fig1; no record]"
    assert f"    {WEIGHTS}  [train; A]" in lines
    assert tree.count(f"{CATALOGUE}  [population; A]") == 1
    assert "epochs: 2" in tree and "not here, digest" in tree
    assert "! without a record, and in no commit as they are: fig1" in tree


def test_a_chain_can_begin_anywhere(plan):
    assert said(plan, CATALOGUE).splitlines()[:2] == [
        f"{CATALOGUE}  [population; A]", "      {q: 0.8, seed: 1}"
    ]  # fmt: skip


def test_what_another_file_says_is_named():
    told = {"code": "c", "python": "3", "libraries": {}, "device": "cpu", "inputs": {}}
    chain = {
        "w": lineage.Product("w", "train", record=told | {"spec": {"n": 5, "images": POPULATION}}),
        "v": lineage.Product("v", "train", record=told | {"spec": {"n": 6, "images": POPULATION}}),
        "c": lineage.Product("c", "population", record=told | {"spec": POPULATION}),
    }
    assert lineage.settings(chain["w"], chain) == "{images: <c>, n: 5}"
    assert lineage.settings(chain["v"], chain) == "as w, but n 6"


def test_files_of_another_maker_have_another_letter(plan):
    write(CATALOGUE, POPULATION, code="0.1.0+src.other.git.abc")
    assert f"{CATALOGUE}  [population; B]" in said(plan)


def test_shards_that_say_the_same_share_an_entry(plan):
    shards = [SHARD.format(k) for k in range(3)]
    for k, shard in enumerate(shards):
        write(shard, {"view": "first" if k == 0 else "others"})
        plan[shard] = lineage.Product(shard, "simulate")
    plan[WEIGHTS].inputs.append(shards[2])
    tree = said(plan, WEIGHTS)
    assert f"{shards[0]}  [simulate; A]" in tree
    assert f"{shards[1]} and 1 more  [simulate; A]" in tree


def test_a_damaged_or_foreign_file_is_named(plan, tmp_path):
    storage.write_h5(CATALOGUE, {}, {})
    with pytest.raises(storage.DataFileError, match="catalogue.h5 does not say how it was made"):
        said(plan)
    (tmp_path / CATALOGUE).write_text("hello")
    with pytest.raises(storage.DataFileError, match="catalogue.h5 is damaged"):
        said(plan)
    (tmp_path / WEIGHTS).write_text("hello")
    with pytest.raises(storage.DataFileError, match="cnn.pt is damaged"):
        said(plan)


def test_a_table_says_who_made_what_from_what(plan):
    write(
        "other.h5", {"training": TRAINING, "population": POPULATION}, [WEIGHTS], device="cuda (X)"
    )
    table = lineage.table([CATALOGUE, "other.h5"])
    assert table["file"].tolist() == [CATALOGUE, "other.h5"]
    assert table["device"].tolist() == ["cpu", "cuda (X)"]
    assert table["code"].tolist() == [provenance.code_version()] * 2
    assert table["seeds"].tolist() == ["population 1", "population 1, training 0"]
    digest = hashlib.sha256(Path(WEIGHTS).read_bytes()).hexdigest()[:16]
    assert table["inputs"].tolist() == ["", f"cnn.pt {digest}"]
    storage.write_h5("bare.h5", {"x": np.ones(1)}, {})
    with pytest.raises(storage.DataFileError, match="bare.h5 does not say how it was made .code"):
        lineage.table([CATALOGUE, "bare.h5"])


def test_only_a_repository_that_tracks_the_library_tells_its_commit(tmp_path):
    """A source tree that lies in somebody else's repository has none."""
    library = tmp_path / "vendor/src"
    shutil.copytree(ROOT / "src", library, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "theirs.txt").write_text("theirs")

    def git(*arguments):
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def version(**environment):
        program = "from lenscnn.records import provenance; print(provenance.code_version())"
        return subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONPATH": str(library)} | environment,
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip

    alone = version()
    git("init", "--quiet")
    git("add", "theirs.txt")
    git("commit", "--quiet", "--message", "theirs")
    assert version() == alone and ".git." not in alone
    git("add", "vendor")
    git("commit", "--quiet", "--message", "vendor")
    git("tag", "--annotate", "v9.9.9", "--message", "a tag is no commit, and not in every clone")
    command = ["git", "log", "--format=%H"]
    commit = subprocess.check_output(command, cwd=tmp_path, text=True)[:12]
    assert version() == f"{alone}.git.{commit}"
    (tmp_path / "theirs.txt").write_text("changed, as products are")
    assert "dirty" not in version()
    (library / "lenscnn/core/progress.py").open("a").write("# edited")
    assert version().endswith("-dirty")
    git("checkout", "--", "vendor")
    assert version(GIT_DIR=str(tmp_path / "of a hook")) == version()
