"""Commands of documents and of GitHub's jobs: each runs, or is checked without running it.

A block of code that is indented, or fenced without a language, is shell. Bash itself takes it
apart: it runs the block with an empty PATH, so that each command goes to a function that notes it.
What `make -n` prints of a target is taken apart in the same way.
"""

import ast
import importlib
import re
import runpy
import shutil
import subprocess
import textwrap
from collections import defaultdict
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from workflows import ENVIRONMENT

MARKDOWN = [
    path for pattern in (
        "*.md", "docs/**/*.md", "config/*.md", "benchmarks/*.md", "profiles/*.md",
        "scripts/offline/*.md", "data/photometry/*.md",
    )
    for path in sorted(ROOT.glob(pattern))
]  # fmt: skip

ELSEWHERE = {
    r"make \S*/\.installed": "needs network; .ci/run sets up with it",
    r"pip (install|download)": "needs network",
    r"pre-commit install": "needs network; its commands are those of `make format`",
    r"git (clone|config|status)": "a stranger's own git",
    r"podman (build|run)": "needs a container engine; what follows the image is tested",
    r"apt-get|dirname|id -u": "the system's own, on GitHub",
    r"\.ci/run": "what it calls is tested",
    r"squeue|srun": "needs a cluster; tests/cluster/test_slurm.py where Slurm can be started",
    r"head -1 results/smoke/": "needs a run at smoke scale, which .ci/run makes",
    r"ls -sh|rm -rf|find src|echo|touch|test -n": "the system's own, in the Makefile",
    r"cp ": "the file that it copies is tested",
    r"cat$": "writes an overlay, which the commands after it are tested with",
    r"ruff|snakefmt|basedpyright": "tests/workflow/test_workflow.py",
    r"mkdocs build": "the job docs of .github/workflows/checks.yml",
    r"snakemake --(unlock|touch)$": "tests/workflow/test_workflow.py unlocks",
    r"snakemake .*--default-storage-provider s3": "needs a bucket",
    r"snakemake .*PLACEHOLDER": "the reader's own target",
    r"snakemake .*-s \S+/Snakefile": "tests/workflow/test_elsewhere.py",
    r"scripts/offline/(fetch_wheels|run_slice|unpack)\.sh": "tests/workflow/test_offline.py",
    r"python tools/(check|config_reference|table_reference)\.py": "tests call them",
}
"""Commands that are not tested here, by a regular expression for how they begin, and why not."""

OLD_CODE = {"import math, sys, time": "benchmarks/README.md: compares two old commits"}
"""Snippets of Python that are kept as a record of what ran, by their first line."""


@dataclass(frozen=True)
class Command:
    """A command as bash understood it, with what it reads and the overlays written before it."""

    document: str
    words: tuple[str, ...]
    stdin: str
    pythonpath: str
    folder: Path

    def __str__(self):
        return " ".join(self.words)


RECORDER = """
PATH=/nowhere TIMEFORMAT=
command_not_found_handle() {
  local text=; IFS= read -r -d '' text || :
  printf '%s\\0' $# "$@" "$text" "${PYTHONPATH-}" >> "$RECORD"
  [[ $1 != cat ]] || printf %s "$text"
}
cd() { :; }; source() { :; }; nohup() { "$@"; }; nice() { shift 2; "$@"; }; bash() { eval "$2"; }
podman() {
  local words="$*"
  command_not_found_handle podman "$1"
  [[ $words != run*" lenscnn "* ]] || snakemake ${words#* lenscnn }
}
"""


def take_apart(document, script, folder):
    """Return the commands of a shell script, which is not run."""
    script = re.sub(r"<[a-z ]+>", "PLACEHOLDER", script)
    script = re.sub(r"(?<![\w/])\.venv[\w-]*/bin/", "", script).replace("python3 ", "python ")
    files = [".ci/run", *(path.relative_to(ROOT) for path in ROOT.glob("scripts/**/*.sh"))]
    functions = [f'{path}() {{ command_not_found_handle {path} "$@"; }}' for path in files]
    record = folder / "record"
    record.unlink(missing_ok=True)
    done = subprocess.run(
        [shutil.which("bash"), "-c", "\n".join([RECORDER, *functions, script, "wait"])],
        cwd=folder, env={"RECORD": str(record), "HOME": str(folder)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True,
    )  # fmt: skip
    assert not done.stderr.strip(), (document, script, done.stderr)
    fields = iter(record.read_text().split("\0")[:-1] if record.exists() else [])
    for n in fields:
        words = tuple(next(fields) for _ in range(int(n)))
        yield Command(document, words, next(fields), next(fields), folder)


def blocks(path):
    """Blocks of code of a document, each with its language; indented ones are shell."""
    text = re.sub(r"\A---\n.*?^---\n", "", path.read_text(), flags=re.M | re.S)
    text = re.sub(r"^::: .*\n(?: {4}.*\n)*", "", text, flags=re.M)
    fence = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.M | re.S)
    yield from ((language or "shell", body) for _, language, body in fence.findall(text))
    indented = re.compile(r"(?<=\n\n)(?: {4,}\S.*\n(?:\n+(?= {4}))?)+")
    yield from (("shell", textwrap.dedent(body)) for body in indented.findall(fence.sub("", text)))


def spans(path):
    """Commands between backticks in the sentences of a document."""
    code = r"`((?:make|snakemake|pip|python|PYTHONPATH=\S+ python) [^`]+|make)`"
    return [re.sub(r"\s+", " ", span) for span in re.findall(code, path.read_text())]


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """All commands of all documents, and those of the targets of make that they call."""
    found = []
    for path in MARKDOWN:
        name = str(path.relative_to(ROOT))
        if name == "CHANGELOG.md":  # which names what there was
            continue
        scripts = [body for language, body in blocks(path) if language in ("shell", "bash", "sh")]
        for script in scripts + spans(path):
            found += take_apart(name, script, tmp_path_factory.mktemp("block"))
    for path in ROOT.glob(".github/workflows/*.yml"):
        jobs = yaml.safe_load(path.read_text())["jobs"].values()
        scripts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
        for script in [*scripts, (ROOT / ".ci/run").read_text()]:
            found += take_apart(path.name, script, tmp_path_factory.mktemp("job"))
    recipes = {
        (words, dry_make(words)) for words in {c.words for c in found if c.words[0] == "make"}
    }
    for words, recipe in recipes:
        found += take_apart(" ".join(words), recipe or "", tmp_path_factory.mktemp("recipe"))
    for command in found:
        (reasons := elsewhere(command)) and print(f"{command}: {reasons[0]}")
    return found


def elsewhere(command):
    """Reasons why a command is not tested here."""
    return [ELSEWHERE[form] for form in ELSEWHERE if re.match(form, str(command))]


def of(program, commands):
    """Commands of a program, one of each kind, but for those that are covered elsewhere."""
    chosen = [c for c in commands if c.words[0] == program and not elsewhere(c)]
    return list({(c.words, c.stdin, c.pythonpath): c for c in chosen}.values())


def dry_make(words):
    """Return what make would run, the environments given; None if it refuses."""
    given = [f"--old-file=.venv{name}/.installed" for name in ("", "-bench", "-docs")]
    makefile = (ROOT / "Makefile").read_text()
    names = [word.partition("=")[0] for word in words[1:] if "=" in word]
    if not all(re.search(rf"\$\({name}\)|^{name} ", makefile, re.M) for name in names):
        return None
    done = subprocess.run(
        ["make", "-n", "--silent", *given, *words[1:]], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout if done.returncode == 0 else None


def test_commands_are_found(commands):
    """And of those that are excused each is there, so that the list grows no moss."""
    assert len(of("make", commands)) > 20 and len(of("snakemake", commands)) > 25
    assert [form for form in ELSEWHERE if not any(re.match(form, str(c)) for c in commands)] == []


def test_every_command_is_of_a_known_program(commands):
    known = ("make", "snakemake", "python")
    unknown = [c for c in commands if c.words[0] not in known and not elsewhere(c)]
    assert [(c.document, str(c)) for c in unknown] == []
    assert all((ROOT / c.words[1]).exists() for c in commands if c.words[0] == "cp")


def test_make_knows_its_targets_and_variables(commands):
    refused = [c for c in of("make", commands) if dry_make(c.words) is None]
    assert [(c.document, str(c)) for c in refused] == []


def overlays(command):
    """Arguments of a command, with overlays of the reader's own where the document wrote them."""
    for word in command.words[1:]:
        if re.fullmatch(r"\w+\.yaml", word):
            word = command.folder / word
            if not word.exists():
                word = command.folder.parent / word.name
                word.write_text(f"scale: {word.stem}\n")
        yield str(word)


def configuration(command):
    """What decides on the plan: profile, overlays and values of the config; and all else."""
    arguments = " ".join(overlays(command))
    options, dashes, targets = arguments.partition("-- ")
    if not dashes:
        options, targets = re.fullmatch(r"((?:--profile \S+ |-n )*)(.*)", arguments).groups()
    kinds = r"--profile \S+|--config(?:file)?(?: [^-\s]\S*)+"
    deciding = " ".join(re.findall(kinds, options)).replace(" config/config.yaml", "")
    others = re.sub(rf"{kinds}|-n\b|--cores (\d+|all)|--quiet rules|--report \S+", "", options)
    deciding = re.sub(r"--configfile(?= --|$)", "", deciding).strip()
    return deciding, (others.split(), targets.split())


def plan(deciding, words):
    """Let Snakemake plan without running anything; return what it says if it refuses."""
    done = subprocess.run(
        ["snakemake", "-n", "--quiet", *deciding.split(), *words[0], "--", *words[1]],
        cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return done.returncode and done.stdout[-500:]


def test_snakemake_plans_what_the_documents_ask_for(commands):
    """One dry run for all that is asked for with the same config."""
    asked = defaultdict(lambda: ({}, {}))
    for command in of("snakemake", commands):
        deciding, found = configuration(command)
        for words, more in zip(asked[deciding], found, strict=True):
            words |= dict.fromkeys(more)
    print(*asked, sep="\n")
    with ThreadPool(2) as pool:
        assert [text for text in pool.starmap(plan, asked.items()) if text] == []


class Parsed(Exception):
    """The arguments of a script are good; it would go on now."""


def test_scripts_take_the_arguments_of_the_documents(commands, monkeypatch):
    """Up to the point where they have read them."""
    import argparse

    parse = argparse.ArgumentParser.parse_args

    def stop(parser, *arguments, **options):
        parse(parser, *arguments, **options)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.chdir(ROOT)
    asked = [c for c in of("python", commands) if not c.words[1].startswith("-")]
    assert len(asked) > 5
    for command in asked:
        monkeypatch.setattr("sys.argv", list(command.words[1:]))
        with pytest.raises((Parsed, SystemExit)) as stopped:
            runpy.run_path(command.words[1], run_name="__main__")
        helped = stopped.type is SystemExit and "--help" in command.words
        assert stopped.type is Parsed or helped, f"{command.document}: {command}"


def names_missing(code):
    """Modules that a program imports and names that it takes from them, if they do not exist."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if not importlib.util.find_spec(a.name))
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if not hasattr(module, alias.name) and not importlib.util.find_spec(whole):
                    yield whole


def test_programs_in_the_documents_import_what_there_is(commands):
    programs = [
        (str(path.relative_to(ROOT)), body)
        for path in MARKDOWN for language, body in blocks(path) if language == "python"
    ]  # fmt: skip
    for command in of("python", commands):
        if command.words[1] == "-m":
            paths = [word for word in command.words if "/" in word]
            assert command.words[2] == "pytest" and all((ROOT / path).exists() for path in paths)
        elif command.words[1] in ("-", "-c"):
            code = command.stdin if command.words[1] == "-" else command.words[2]
            assert command.pythonpath == "src" or "lenscnn" not in code, command
            programs.append((command.document, code))
    assert len(programs) > 15
    old = [code for _, code in programs if code.partition("\n")[0] in OLD_CODE]
    missing = [(name, list(names_missing(code))) for name, code in programs if code not in old]
    assert [(name, names) for name, names in missing if names] == []
    assert len(old) == len(OLD_CODE)


def test_settings_in_the_documents_are_yaml():
    for path in MARKDOWN:
        for language, body in blocks(path):
            assert language != "yaml" or isinstance(yaml.safe_load(body), dict), path


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
    broken = [
        link for link in links
        if not link.startswith(("http", "mailto:")) and not (path.parent / link).exists()
    ]  # fmt: skip
    assert broken == []


def test_scripts_and_overlays_in_the_documents_exist():
    file = re.compile(r"(?<![\w/])(?:(?:scripts|tools)/[\w./]+\.(?:py|sh)|config/\w+\.yaml)\b")
    named = [
        (path.name, name)
        for path in MARKDOWN
        if path.name != "CHANGELOG.md"  # which names what there was
        for name in file.findall(path.read_text())
    ]
    assert len(named) > 40
    assert [(document, name) for document, name in named if not (ROOT / name).exists()] == []


def test_the_readme_is_read_in_four_minutes():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
