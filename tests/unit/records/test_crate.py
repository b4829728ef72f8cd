"""The description of a run as a crate, by the rules of its profile, without network.

The rules are those of https://w3id.org/ro/wfrun/provenance/0.5 that are MUSTs.
"""

import base64
import hashlib
import importlib.util
import json
import os
import shutil
from datetime import datetime

import pytest
from conftest import ROOT

from lenscnn.core import storage
from lenscnn.records import provenance

_SPEC = importlib.util.spec_from_file_location("crate", ROOT / "tools/crate.py")
crate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(crate)

CATALOGUE, FIGURE = "results/tiny/catalogue.h5", "paper_figures/tiny/fig1.{}"
MADE = 1_700_000_000.0  # 14 November 2023, 22:13:20 UTC


def note(root, path, rule, start, end, inputs):
    """Note a job as Snakemake does, whose output was written at its end."""
    os.utime(root / path, (end, end))
    name = base64.urlsafe_b64encode(path.encode()).decode()
    written = root / ".snakemake/metadata" / name
    written.parent.mkdir(parents=True, exist_ok=True)
    content = {"rule": rule, "starttime": start, "endtime": end, "input": inputs}
    written.write_text(json.dumps(content))


@pytest.fixture
def run(tmp_path):
    """A checkout in which a catalogue was drawn, and of it a figure, in two formats."""
    shutil.copy(ROOT / "codemeta.json", tmp_path)
    for path in ("config/config.yaml", "config/tiny.yaml", "config/claims.csv"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    storage.write_h5(tmp_path / CATALOGUE, {}, provenance.collect({}, [], "cuda (X)"))
    code = ["scripts/population.py", "src/lenscnn/__init__.py"]
    note(tmp_path, CATALOGUE, "population", MADE, MADE + 10, code)
    for later, suffix in ((0, "pdf"), (1.5, "png")):
        path = FIGURE.format(suffix)
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(suffix)
        inputs = [CATALOGUE, "config/claims.csv", "results/tiny/gone.h5", "scripts/claims.py"]
        note(tmp_path, path, "fig1", MADE + 100 + later, MADE + 110, inputs)
    return tmp_path


def entities(root):
    return {entity["@id"]: entity for entity in crate.make_crate(root, "tiny", "A")["@graph"]}


def ids(reference):
    return [one["@id"] for one in (reference if isinstance(reference, list) else [reference])]


def types(entity):
    return [entity["@type"]] if isinstance(entity["@type"], str) else entity["@type"]


def test_what_ran_when_from_what(run):
    found = entities(run)
    drawn, figure = found["#job-0"], found["#job-1"]
    assert ids(drawn["instrument"]) == ["scripts/population.py"] and drawn["object"] == []
    assert ids(drawn["result"]) == [CATALOGUE] and "cuda (X)" in drawn["description"]
    assert ids(figure["object"]) == [CATALOGUE, "config/claims.csv"]  # of what is here
    assert ids(figure["result"]) == [FIGURE.format("pdf"), FIGURE.format("png")]
    assert drawn["startTime"] == "2023-11-14T22:13:20+00:00"
    assert figure["startTime"] == "2023-11-14T22:15:00+00:00"
    assert "#job-2" not in found
    whole = found["#run"]
    seconds = [datetime.fromisoformat(whole[key]).timestamp() for key in ("startTime", "endTime")]
    assert seconds == [MADE, MADE + 110]
    assert ids(whole["object"]) == ["config/config.yaml", "config/tiny.yaml", "config/claims.csv"]
    assert set(ids(whole["result"])) == {CATALOGUE, *map(FIGURE.format, ("pdf", "png"))}
    assert found["Snakefile"]["version"] == provenance.code_version()
    for path in (CATALOGUE, "config/tiny.yaml", FIGURE.format("png")):
        content = (run / path).read_bytes()
        assert found[path]["sha256"] == hashlib.sha256(content).hexdigest()
        assert found[path]["contentSize"] == str(len(content))


def test_the_rules_of_the_profile(run):
    found = entities(run)
    root = found["./"]
    for profile in ("process", "workflow", "provenance"):
        assert f"https://w3id.org/ro/wfrun/{profile}/0.5" in ids(root["conformsTo"])
    assert ids(root["mainEntity"]) == ["Snakefile"]
    workflow = found["Snakefile"]
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"} <= set(types(workflow))
    for entity in found.values():
        kind = types(entity)
        if "CreateAction" in kind:
            assert "SoftwareSourceCode" in types(found[entity["instrument"]["@id"]])
            assert entity["@id"] in ids(root["mentions"]) and entity["agent"] == {"@id": "#agent"}
        if "HowToStep" in kind:
            assert entity["@id"] in ids(workflow["step"])
            assert entity["workExample"]["@id"] in ids(workflow["hasPart"])
        if "ControlAction" in kind:
            assert types(found[entity["instrument"]["@id"]]) == ["HowToStep"]
            assert types(found[entity["object"]["@id"]]) == ["CreateAction"]
        if "OrganizeAction" in kind:
            assert types(found[entity["instrument"]["@id"]]) == ["SoftwareApplication"]
            assert entity["result"] == {"@id": "#run"} and len(ids(entity["object"])) == 2
        if "File" in kind:
            assert entity["@id"] in ids(root["hasPart"])


def test_every_reference_is_described(run):
    found = entities(run)
    described = set(found) | {*crate.SPECS, crate.BIOSCHEMAS}

    def references(value):
        if isinstance(value, dict):
            return [value["@id"]]
        return (
            [one for part in value for one in references(part)] if isinstance(value, list) else []
        )

    for entity in found.values():
        for key, value in entity.items():
            assert set(references(value)) <= described, (entity["@id"], key)


def test_what_was_replaced_since_is_not_of_the_run(run):
    os.utime(run / FIGURE.format("png"), (MADE + 900, MADE + 900))
    assert FIGURE.format("png") not in entities(run)
    with pytest.raises(LookupError, match="no notes of files of scale 'other'"):
        crate.make_crate(run, "other", "A")
