"""The table of what the steps took."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import torch
from workflows import clone, jobs, snakemake

from lenscnn.core import devices
from lenscnn.records.runtimes import by_stage, join, read_jobs


def environment():
    return os.environ | {"PYTHONPATH": "src"}


HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def record(folder, name, wall, memory, cpu):
    path = folder / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + f"{wall}\t0\t{memory}\t0\t0\t0\t0\t0\t0\t{cpu}\n")
    return path


def test_stages_are_summed_and_the_longest_and_largest_job_kept(tmp_path):
    files = [
        record(tmp_path, "scutt/train/fixed/n_cnn", 30, 500, 15),
        record(tmp_path, "scutt/train/varied/n_cnn", 10, 700, 5),
        record(tmp_path, "scutt/predict/fixed/n_cnn", 4, "-", 4),  # too short for its memory
        record(tmp_path, "pearson2019/train/vis/cnn", 8, 100, 8),
    ]
    jobs = read_jobs(files, tmp_path, tmp_path)
    assert list(jobs["job"]) == ["fixed/n_cnn", "varied/n_cnn", "fixed/n_cnn", "vis/cnn"]
    table = by_stage(jobs).set_index(["paper", "stage"])
    assert list(table.index) == [("pearson2019", "train"), ("scutt", "predict"), ("scutt", "train")]
    assert table[["wall_asked_s", "memory_asked_MB", "gpu_memory_MB"]].isna().all(axis=None)
    assert dict(table.loc["scutt", "train"].dropna()) == {
        "jobs": 2, "wall_s": 40, "longest_wall_s": 30, "cpu_s": 20, "cores_used": 0.5,
        "memory_MB": 700,
    }  # fmt: skip
    assert table["memory_MB"].isna().sum() == 1


def test_what_was_asked_for_and_the_memory_of_gpus(tmp_path, monkeypatch, capsys):
    files = [record(tmp_path, f"marks/scutt/train/fixed/n_cnn_seed{k}", 9, 500, 9) for k in (0, 1)]
    resources = {"tmpdir": "/tmp", "mem_mb": 8000, "runtime": 240}
    for file, memory in zip(files, (8000, 16000), strict=True):
        header, values = file.read_text().splitlines()
        columns = "{'spec': '{\"seed\": 0}'}", str(resources | {"mem_mb": memory})
        file.write_text("\n".join([f"{header}\tparams\tresources", "\t".join([values, *columns])]))
    log = tmp_path / "logs/scutt/train/fixed/n_cnn_seed1.log"
    log.parent.mkdir(parents=True)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 1_234_000_000)
    devices.report_memory(torch.device("cpu"))
    assert capsys.readouterr().out == ""
    devices.report_memory(torch.device("cuda"))
    log.write_text("epoch 1\n" + capsys.readouterr().out)
    jobs = read_jobs(files, tmp_path / "marks", tmp_path / "logs")
    (row,) = by_stage(jobs).to_dict("records")
    assert (row["memory_asked_MB"], row["wall_asked_s"]) == (16000, 4 * 3600)
    assert row["gpu_memory_MB"] == 1234


def test_the_newer_record_of_a_job_holds(tmp_path):
    older = read_jobs(
        [record(tmp_path, "scutt/train/fixed/n_cnn", 30, 500, 15)], tmp_path, tmp_path
    )
    newer = read_jobs(
        [
            record(tmp_path, "scutt/train/fixed/n_cnn", 20, 400, 10),
            record(tmp_path, "scutt/images/fixed", 5, 300, 5),
        ],
        tmp_path,
        tmp_path,
    )
    joined = join(older, newer)
    assert list(joined["stage"]) == ["images", "train"]
    assert list(joined["wall_s"]) == [5, 20]
    assert join(older.iloc[:0], newer).equals(joined) and join(older, newer.iloc[:0]).equals(older)


def test_nothing_has_run(tmp_path):
    with pytest.raises(ValueError, match="no step of this scale has run"):
        by_stage(read_jobs([], tmp_path, tmp_path))


@pytest.mark.slow
def test_the_target_needs_nothing_but_the_records(tmp_path):
    copy = clone(tmp_path)
    arguments = ("--configfile", "config/quick.yaml", "--", "runtime_table")
    place = record(copy / "benchmarks/quick", "scutt/train/fixed/n_cnn_seed0", 572, 880, 451)
    assert jobs(snakemake("-n", *arguments, cwd=copy)) == {"runtime_table": 1}
    snakemake("--cores", "1", *arguments, cwd=copy)
    assert "scutt,train,1," in (copy / "paper_figures/quick/runtime_table.csv").read_text()
    assert "Nothing to be done" in snakemake("-n", *arguments, cwd=copy)
    place.with_name("alpha_cnn_seed0.tsv").write_text(place.read_text())
    assert jobs(snakemake("-n", *arguments, cwd=copy)) == {"runtime_table": 1}

    # Joined into the table of the scale, of which the files' jobs are a part.
    table = copy / "benchmarks/quick.csv"
    kept = "scutt,images,fixed/test/shard_0,10,,8,500,,\nscutt,train,fixed/n_cnn_seed0,1,,1,1,,\n"
    table.write_text(",".join(read_jobs([], copy, copy).columns) + "\n" + kept)
    command = [sys.executable, "tools/records.py", "quick"]
    done = subprocess.run(command, cwd=copy, env=environment(), capture_output=True, text=True)
    assert done.stdout == "benchmarks/quick.csv: 3 jobs, 2 of them from files here\n", done.stderr
    joined = pd.read_csv(table)
    assert list(joined["wall_s"]) == [10, 572, 572]
    shutil.rmtree(copy / "benchmarks/quick")
    snakemake("--cores", "1", *arguments, cwd=copy)
    text = (copy / "paper_figures/quick/runtime_table.csv").read_text()
    assert "scutt,images,1,10," in text and "scutt,train,2,1144," in text
