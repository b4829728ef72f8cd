"""Describe the run of a scale as a Provenance Run Crate: ro-crate-metadata.json, in the checkout.

    python tools/crate.py smoke

The crate is the checkout itself, with the files that the run has left: zip it to archive it. Jobs
are those of which Snakemake has notes (.snakemake/metadata), code and devices are from the records
that data carry. Files that were made elsewhere, or replaced since, are not in it.

Profile: https://w3id.org/ro/wfrun/provenance/0.5, on RO-Crate 1.1.
"""

import argparse
import getpass
import hashlib
import json
import mimetypes
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from lenscnn.core.storage import DataFileError
from lenscnn.records import lineage, provenance
from lenscnn.records.checkout import Checkout

METADATA = "ro-crate-metadata.json"
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
]
SPECS = ("https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0")
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
DONE = "http://schema.org/CompletedActionStatus"
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
AGENT, AUTHOR, ENGINE, LIBRARY = "#agent", "#author", "https://snakemake.github.io", "src/lenscnn/"


def refer(ids) -> list[dict[str, str]] | dict[str, str]:
    """Refer to entities by their ids; to one without a list, as JSON-LD's compact form does."""
    found = [{"@id": one} for one in ids]
    return found[0] if len(found) == 1 else found


def at(seconds: float) -> str:
    """Write a time as ISO 8601, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def read_jobs(root: Path, scale: str) -> list[dict]:
    """List the jobs behind the files of a scale: rule, times, inputs and outputs that are here.

    Raises
    ------
    LookupError
        If none of them was made here.
    """
    checkout, jobs = Checkout(root), {}
    for folder in ("results", "paper_figures"):
        for file in sorted((root / folder / scale).rglob("*")):
            path = file.relative_to(root).as_posix()
            if not (note := checkout.note(path)):
                continue
            # Of each output Snakemake notes a start of its own, some milliseconds apart.
            key = (note["rule"], note["endtime"], *note["input"])
            job = jobs.setdefault(key, {**note, "outputs": []})
            job["outputs"].append(path)
            job["starttime"] = min(job["starttime"], note["starttime"])
    if not jobs:
        raise LookupError(f"Snakemake has no notes of files of scale {scale!r} in {root}")
    return sorted(jobs.values(), key=lambda job: (job["starttime"], job["outputs"]))


def files_of(job: dict, root: Path) -> tuple[str, list[str]]:
    """Return the script of a job, and the data that it read and that is here."""
    script = next(path for path in job["input"] if path.startswith("scripts/"))
    data = [path for path in job["input"] if not path.startswith(("scripts/", "src/"))]
    return script, [path for path in data if (root / path).is_file()]


def describe_file(path: str, root: Path) -> dict:
    """Describe a data file: size, digest, type."""
    with open(root / path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kinds = {".h5": "application/x-hdf5", ".jsonl": "application/jsonl", ".yaml": "text/yaml"}
    kind = kinds.get(Path(path).suffix) or mimetypes.guess_type(path)[0]
    return {
        "@id": path, "@type": "File", "name": path, "sha256": digest,
        "contentSize": str((root / path).stat().st_size),
        "encodingFormat": kind or "application/octet-stream",
    }  # fmt: skip


def describe_script(path: str, code: str) -> dict:
    """Describe the tool of a step."""
    return {
        "@id": path, "@type": ["File", "SoftwareSourceCode"], "name": path, "version": code,
        "encodingFormat": "text/x-python", "softwareRequirements": {"@id": LIBRARY},
    }  # fmt: skip


def made_by(outputs: list[str], root: Path) -> str:
    """Say from the records in the outputs which code made them on what; nothing without one."""
    said = []
    for path in outputs:
        try:
            record = lineage.read_record(root / path)
        except DataFileError:
            continue
        if record:
            said.append(f"{record['code']}, python {record['python']}, {record['device']}")
    return f"; by its record: {said[0]}" if said else ""


def describe_job(number: int, job: dict, root: Path) -> list[dict]:
    """Describe a job: what was run, and the control of it by its step."""
    script, data = files_of(job, root)
    name = f"{job['rule']}, job {number}"
    action = {
        "@id": f"#job-{number}", "@type": "CreateAction", "name": name,
        "description": f"made {job['outputs'][0]}{made_by(job['outputs'], root)}",
        "instrument": {"@id": script}, "object": refer(data), "result": refer(job["outputs"]),
        "startTime": at(job["starttime"]), "endTime": at(job["endtime"]),
        "agent": {"@id": AGENT}, "actionStatus": DONE,
    }  # fmt: skip
    control = {
        "@id": f"#control-{number}", "@type": "ControlAction", "name": f"control of {name}",
        "instrument": {"@id": f"#step-{job['rule']}"}, "object": {"@id": action["@id"]},
    }  # fmt: skip
    return [action, control]


def describe_workflow(scripts: dict[str, str], code: str) -> list[dict]:
    """Describe the Snakefile, its steps and the config that it reads."""
    steps = [
        {"@id": f"#step-{rule}", "@type": "HowToStep", "name": rule,
         "workExample": {"@id": script}, "position": str(position)}
        for position, (rule, script) in enumerate(scripts.items())
    ]  # fmt: skip
    workflow = {
        "@id": "Snakefile",
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": "lenscnn", "version": code, "encodingFormat": "text/plain",
        "conformsTo": {"@id": BIOSCHEMAS}, "programmingLanguage": {"@id": "#snakemake"},
        "hasPart": refer(dict.fromkeys(scripts.values())),
        "step": refer(step["@id"] for step in steps), "input": {"@id": "#config"},
    }  # fmt: skip
    return [workflow, *steps]


def describe_context(about: dict, agent: str, code: str, configs: list[str]) -> list[dict]:
    """Describe what the rest refers to: profiles, licence, people, engine, library, parameter."""
    profiles = [
        {"@id": url, "@type": "CreativeWork", "name": name, "version": url.rpartition("/")[2]}
        for url, name in PROFILES.items()
    ]
    return [
        *profiles,
        {"@id": about["license"], "@type": "CreativeWork", "name": about["license"],
         "description": "terms of use of code and products"},
        {"@id": AGENT, "@type": "Person", "name": agent},
        {"@id": AUTHOR, **about["author"][0]},
        {"@id": "#snakemake", "@type": "ComputerLanguage", "name": "Snakemake",
         "identifier": {"@id": ENGINE}, "url": {"@id": ENGINE}},
        {"@id": ENGINE, "@type": "SoftwareApplication", "name": "Snakemake", "url": ENGINE,
         "softwareVersion": version("snakemake")},
        {"@id": LIBRARY, "@type": ["Dataset", "SoftwareSourceCode"],
         "name": "library of the steps", "version": code},
        {"@id": "README.md", "@type": "File", "name": "README.md", "about": {"@id": "./"},
         "encodingFormat": "text/markdown"},
        {"@id": "#config", "@type": "FormalParameter", "name": "config", "additionalType": "File",
         "workExample": refer(configs)},
    ]  # fmt: skip


def describe_run(
    scale: str, jobs: list[dict], configs: list[str], data: list[str], numbered: list[dict]
) -> list[dict]:
    """Describe the run as a whole, and how the engine organised it."""
    controls = [entity["@id"] for entity in numbered if entity["@type"] == "ControlAction"]
    times = {
        "startTime": at(min(job["starttime"] for job in jobs)),
        "endTime": at(max(job["endtime"] for job in jobs)),
    }
    made = {path for job in jobs for path in job["outputs"]}
    return [
        {"@id": "#run", "@type": "CreateAction", "name": f"run of scale {scale}",
         "description": f"{len(jobs)} jobs whose products are here",
         "instrument": {"@id": "Snakefile"}, "agent": {"@id": AGENT}, "actionStatus": DONE,
         "object": refer([*configs, *(path for path in data if path not in made | {*configs})]),
         "result": refer(path for path in data if path in made), **times},
        {"@id": "#organise", "@type": "OrganizeAction", "name": "execution by Snakemake",
         "instrument": {"@id": ENGINE}, "object": refer(controls), "result": {"@id": "#run"},
         **times},
    ]  # fmt: skip


def make_crate(root: Path, scale: str, agent: str) -> dict:
    """Describe the run of a scale in a checkout, as JSON-LD.

    Parameters
    ----------
    root
        The checkout.
    scale
        Folder in results/ and paper_figures/.
    agent
        Who ran it.
    """
    jobs, code = read_jobs(root, scale), provenance.code_version()
    about = json.loads((root / "codemeta.json").read_text(encoding="utf-8"))
    overlay = [] if scale == "paper" else [f"config/{scale}.yaml"]
    configs = [path for path in ("config/config.yaml", *overlay) if (root / path).is_file()]
    scripts = {job["rule"]: files_of(job, root)[0] for job in jobs}
    data = dict.fromkeys(configs)
    for job in jobs:
        data |= dict.fromkeys([*files_of(job, root)[1], *job["outputs"]])
    described = [entity for k, job in enumerate(jobs) for entity in describe_job(k, job, root)]
    run = describe_run(scale, jobs, configs, list(data), described)
    actions = [e["@id"] for e in (*run, *described) if e["@type"] == "CreateAction"]
    files = [describe_file(path, root) for path in data]
    for file in files:
        if file["@id"] in configs:
            file["exampleOfWork"] = {"@id": "#config"}
    parts = ["Snakefile", "README.md", LIBRARY, *dict.fromkeys(scripts.values()), *data]
    crate = {
        "@id": "./", "@type": "Dataset", "name": f"{about['name']}, scale {scale}",
        "description": about["description"], "license": {"@id": about["license"]},
        "datePublished": run[0]["endTime"], "conformsTo": refer(PROFILES),
        "author": {"@id": AUTHOR}, "publisher": {"@id": AUTHOR},
        "mainEntity": {"@id": "Snakefile"}, "hasPart": refer(parts), "mentions": refer(actions),
    }  # fmt: skip
    metadata = {
        "@id": METADATA, "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": refer(SPECS),
    }  # fmt: skip
    graph = [
        metadata, crate, *describe_context(about, agent, code, configs),
        *describe_workflow(scripts, code),
        *(describe_script(path, code) for path in dict.fromkeys(scripts.values())),
        *files, *run, *described,
    ]  # fmt: skip
    return {"@context": CONTEXT, "@graph": graph}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scale")
    parser.add_argument("--agent", default=getpass.getuser(), help="who ran it")
    arguments = parser.parse_args()
    root = Path(__file__).parents[1]
    try:
        crate = make_crate(root, arguments.scale, arguments.agent)
    except LookupError as error:
        sys.exit(f"error: {error}: run it first")
    (root / METADATA).write_text(json.dumps(crate, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
