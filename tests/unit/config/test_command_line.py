"""Mistakes that Snakemake answers with a traceback, found before it: one line each."""

import pytest
from snakemake.common.configfile import load_configfile

from lenscnn.config.command_line import check_command_line
from lenscnn.config.yaml_files import InputError, read_yaml


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "-n --configfile config/qick.yaml -- all",
            r"there is no config file config/qick\.yaml; did you mean config/quick\.yaml\?",
        ),
        (
            "-n --configfile {folder}/good.yaml scutt_fig5",
            r"scutt_fig5 is no file, .*: snakemake -n --configfile \S+good.yaml -- scutt_fig5$",
        ),
        (
            "--config device=cpu scutt_fig5 --cores 2",
            "scutt_fig5 is no KEY=VALUE, .*: snakemake --config device=cpu -- scutt_fig5 --cores 2",
        ),
        ("--configfiles {folder}/good.yaml {folder}/cut.yaml -n", r"cut\.yaml: line 2: not YAML: "),
        ("--configfile={folder}/list.yaml", r"list\.yaml holds no `key: value` pairs"),
        ("--configfile {folder}/twice.yaml", r"twice\.yaml: line 4: key scutt is there twice"),
    ],
)
def test_a_mistake_is_a_line(tmp_path, arguments, message):
    for name, text in (
        ("good", "scale: mine"),
        ("cut", "scutt: {\nseed: ]"),
        ("list", "- 1"),
        ("twice", "scutt:\n  sets: {n_train: 20}\nseed: 1\nscutt:\n  sets: {n_test: 20}\n"),
    ):
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        check_command_line(arguments.format(folder=tmp_path).split())
    assert str(caught.value).startswith("error: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        "-n scutt_fig5",
        "--configfile config/quick.yaml --config device=cpu seed=2 -- scutt_fig5 --configfile x",
        "--configfile config/quick.yaml --cores 2 all",
    ],
)
def test_what_snakemake_takes_passes(arguments):
    check_command_line(arguments.split())


def test_json_is_read_as_snakemake_reads_it(tmp_path):
    """With tabs between values, numbers as JSON has them, and either name."""
    for name in ("a.json", "a.yaml"):
        path = tmp_path / name
        path.write_text('{\n\t"seed": 1e2,\n\t"scutt": {"sets": {"n_train": 40}}\n}\n')
        assert read_yaml(path)[1] == load_configfile(str(path))
        check_command_line(["--configfile", str(path)])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n\t"seed": 1,\n\t"seed": 2}', "a.json: key seed is there twice"),
        ('{\n\t"seed" 1}', r"a.json: line 2: neither JSON \(Expecting ':' .*\) nor YAML: found"),
    ],
)
def test_mistakes_of_json_are_told(tmp_path, text, told):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=told):
        read_yaml(tmp_path / "a.json")


def test_a_tab_that_snakemake_refuses_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\nb: 2\t# two\n")
    with pytest.raises(Exception, match="not valid JSON or YAML"):
        load_configfile(str(path))
    with pytest.raises(InputError, match="a.yaml: line 2: not YAML"):
        read_yaml(path)


def test_a_key_that_is_twice_in_a_mapping_below_is_named(tmp_path):
    (tmp_path / "a.yaml").write_text("a:\n  - {b: 1}\n  - {b: 1, c: 2, b: 3}\n")
    with pytest.raises(InputError, match="line 3: key b is there twice"):
        read_yaml(tmp_path / "a.yaml")
