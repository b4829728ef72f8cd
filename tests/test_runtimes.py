"""The table of what the steps took."""

import pytest
import torch
from conftest import ROOT
from test_workflow import clone, jobs, snakemake

from lenscnn import devices
from lenscnn.runtimes import runtimes

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
    table = runtimes(files, tmp_path, tmp_path).set_index(["paper", "stage"])
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
    (row,) = runtimes(files, tmp_path / "marks", tmp_path / "logs").to_dict("records")
    assert (row["memory_asked_MB"], row["wall_asked_s"]) == (16000, 4 * 3600)
    assert row["gpu_memory_MB"] == 1234


def test_nothing_has_run(tmp_path):
    with pytest.raises(ValueError, match="no step of this scale has run"):
        runtimes([], tmp_path, tmp_path)


def test_the_target_needs_nothing_but_the_records(tmp_path):
    copy = clone(tmp_path)
    arguments = ("--configfile", "config/quick.yaml", "--", "runtime_table")
    place = copy / "benchmarks/quick/scutt/train/fixed/n_cnn_seed0.tsv"
    place.parent.mkdir(parents=True)
    place.write_text((ROOT / place.relative_to(copy)).read_text())
    assert jobs(snakemake("-n", *arguments, cwd=copy)) == {"runtime_table": 1}
    snakemake("--cores", "1", *arguments, cwd=copy)
    assert "scutt,train,1," in (copy / "paper_figures/quick/runtime_table.csv").read_text()
    assert "Nothing to be done" in snakemake("-n", *arguments, cwd=copy)
    place.with_name("alpha_cnn_seed0.tsv").write_text(place.read_text())
    assert jobs(snakemake("-n", *arguments, cwd=copy)) == {"runtime_table": 1}
