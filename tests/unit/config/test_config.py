"""The types of the config: what they refuse, what they say, what is made from them."""

import copy
import re
import subprocess
import sys
from typing import get_args

import pytest
import yaml
from conftest import ROOT
from snakemake.utils import update_config

from lenscnn.config.checks import values_of_scale
from lenscnn.config.model import Training, check_types, list_settings
from lenscnn.core.devices import PRECISIONS
from lenscnn.nn.spec import DECAYS, OPTIMIZERS
from lenscnn.papers.config import Config
from lenscnn.records.provenance import changes


@pytest.mark.parametrize("scale", ["paper", "quick", "smoke"])
def test_the_scales_pass_and_are_not_changed(scale):
    written = values_of_scale(ROOT / "config", scale)
    values = copy.deepcopy(written)
    assert check_types(Config, values) == []
    # But for what is left to its default.
    added = [key for key, old, new in changes(written, values) if old is not None]
    assert added == []


@pytest.mark.parametrize("scale", ["quick", "smoke"])
def test_overlays_are_laid_over_as_snakemake_does(scale):
    base, overlay = (
        yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("config", scale)
    )
    update_config(base, overlay)
    assert values_of_scale(ROOT / "config", scale) == base


def test_numbers_that_yaml_takes_for_text_are_numbers(config):
    values = copy.deepcopy(config)
    values["scutt"]["training"]["learning_rate"] = yaml.safe_load("1e-4")
    values["pearson2019"]["misalignment"]["phi"]["test"] = [0, "2e1"]
    assert check_types(Config, values) == []
    assert values["scutt"]["training"]["learning_rate"] == 1e-4
    assert values["pearson2019"]["misalignment"]["phi"]["test"] == [0, 20.0]


def test_whole_numbers_may_be_written_with_an_exponent(config):
    values = copy.deepcopy(config)
    values["scutt"]["sets"]["n_train"] = yaml.safe_load("1.0e+5")
    assert check_types(Config, values) == []
    assert isinstance(values["scutt"]["sets"]["n_train"], int)


def test_every_mistake_is_a_line_that_names_its_key(config):
    values = copy.deepcopy(config)
    values["scutt"]["training"] |= {"epochs": "many", "optimizer": "adamw", "mirror": 1}
    del values["scutt"]["scene"]["noise"]["snr"]
    values["pearson2019"]["surveys"]["lsst"]["bands"]["z"] = {"zero_point": 28, "skie": 19}
    lines = check_types(Config, values)
    assert len(lines) == 6 and not any("\n" in line for line in lines)
    for start, end in (
        ("scutt.training.epochs: 'many' is no whole number", ""),
        ("scutt.training.optimizer: 'adamw' must be 'adam' or 'nadam'; did you mean adam?", ""),
        ("scutt.training.mirror: 1 must be true or false", ""),
        ("scutt.scene.noise.snr: it is missing", ""),
        ("pearson2019.surveys.lsst.bands.z.sky: it is missing", ""),
        ("pearson2019.surveys.lsst.bands.z.skie: there is no such key", "did you mean sky?"),
    ):
        assert [line for line in lines if line.startswith(f"config key {start}") and end in line]


@pytest.mark.parametrize(
    ("key", "known"),
    [("optimizer", OPTIMIZERS), ("learning_rate_decay", DECAYS), ("autocast", PRECISIONS)],
)
def test_a_config_may_ask_for_what_a_training_knows(key, known):
    """Types say it anew: they are read where torch is not."""
    assert get_args(Training.model_fields[key].annotation) == known


def test_every_setting_says_what_it_is():
    rows = list(list_settings(Config))
    assert len(rows) > 200
    sections = {key.rpartition(".")[0] for key, *_ in rows}
    for key, unit, _, meaning in rows:
        assert len(meaning) > 4 and meaning.endswith("."), key
        in_words = (
            re.search(r"arcsec|km/s(?!/)|\bMsun|\bdegrees\b", meaning) and "AB" not in meaning
        )
        assert key in sections or not in_words or unit, key
    units = {key: unit for key, unit, *_ in rows}
    assert units["pearson2019.surveys.<name>.pixel_scale"] == "arcsec"
    assert units["scutt.mass_functions.<name>.maximum"] == "Msun"


def test_the_reference_and_the_schema_are_those_of_the_types(tmp_path):
    kept = {name: (ROOT / "config" / name).read_text() for name in ("reference.md", "schema.json")}
    (tmp_path / "tools").mkdir()
    (tmp_path / "config").mkdir()
    script = tmp_path / "tools/config_reference.py"
    script.write_text((ROOT / "tools/config_reference.py").read_text())
    subprocess.run([sys.executable, script], check=True, env={"PYTHONPATH": str(ROOT / "src")})
    for name, text in kept.items():
        assert (tmp_path / "config" / name).read_text() == text, "make docs"


def test_a_section_that_lacks_much_is_one_line(config):
    values = copy.deepcopy(config)
    values["scutt"]["training"] = {"epochs": 1, "lerning_rate": 1}
    lines = check_types(Config, values)
    assert lines[0].startswith("config key scutt.training: it lacks label_range, optimizer, l")
    assert len(lines) == 2 and lines[1].endswith("did you mean learning_rate?")
