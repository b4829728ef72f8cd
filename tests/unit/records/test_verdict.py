"""Whether a product is what a checkout would give today: a small one, one change at a time."""

import base64
import json
import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from lenscnn import source_digest
from lenscnn.core import storage
from lenscnn.records import lineage, migrations, provenance, verdict
from lenscnn.records.checkout import Checkout, same_program

LIBRARY, SCRIPT, INPUT = (
    "src/lenscnn/galaxies/seds.py",
    "scripts/predict.py",
    "data/photometry/bc03.h5",
)
CATALOGUE, FIGURE = "results/paper/catalogue.h5", "paper_figures/paper/fig1.png"
STEPS = 'def step(x: int):\n    """Double."""\n    return 2 * x\n'
POPULATION = {"seed": 1, "q": 0.8, "k_correction": False, "survey": {"bands": {"VIS": 1.0}}}
CONFIG = "config/config.yaml"


def git(*arguments):
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit():
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "--message", "a change")
    return git("rev-parse", "--short=12", "HEAD")


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def make(path=CATALOGUE, spec=POPULATION, code=None, inputs=(INPUT,), **changes):
    """Write a catalogue as a step would, made by the code that is here or by that of a version."""
    code = code or f"0.1.0+src.{source_digest(Path('src/lenscnn'))}.git.{commit()}"
    storage.write_h5(
        path, {"x": np.arange(3)}, provenance.collect(spec, list(inputs)) | {"code": code} | changes
    )


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with a catalogue and a figure of it, committed as they were made."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    write("src/lenscnn/__init__.py", "")
    write(LIBRARY, STEPS)
    write(SCRIPT, "from lenscnn.galaxies.seds import step\n")
    write(CONFIG, "scale: paper\n")
    storage.write_h5(INPUT, {"colour": np.arange(4.0)}, provenance.collect({}, []))
    make()
    write(FIGURE, "a figure")
    commit()
    return tmp_path


def judged(target=FIGURE, spec=POPULATION):
    code = [SCRIPT, LIBRARY]
    plan = {
        CATALOGUE: lineage.Product(CATALOGUE, "population", [INPUT], [spec], code=code),
        FIGURE: lineage.Product(FIGURE, "fig1", [CATALOGUE], code=code),
    }
    return judged_by(plan, target)


def judged_by(plan, target):
    chain = lineage.trace(target, plan)
    verdict.judge(chain, [CONFIG], Checkout("."))
    text = " ".join(" ".join(verdict.summary(target, chain)).split())
    return text.split(": ")[1], text


def test_what_is_as_it_was_made_has_nothing_to_say(checkout):
    assert judged()[0] == judged(CATALOGUE)[0] == "nothing to say"
    assert "3 files, 2 with a record; made on: cpu; seeds: population 1" in judged()[1]


def test_settings_are_compared_by_the_rule_for_released_predictions(checkout):
    """The verdict changes where `check_catalogue` refuses, and only there."""
    old = {key: value for key, value in POPULATION.items() if key != "k_correction"}
    cases = (
        (POPULATION, POPULATION | {"q": 0.7}, "changes numbers", "population.q 0.8, not 0.7"),
        (
            old,
            POPULATION,
            "harmless",
            "before these were settings, with the same values: images.pop",
        ),
        (
            old,
            POPULATION | {"k_correction": True},
            "changes numbers",
            "k_correction False, not True",
        ),
        (old, old | {"unheard_of": 3}, "unknown", "not on record: images.population.unheard_of"),
        (POPULATION, old, "unknown", "settings that are no more: images.population.k_correction"),
        (POPULATION, POPULATION | {"survey": {"bands": {"J": 1.0}}}, "changes numbers", "bands"),
    )
    for made, asked, expected, said in cases:
        make(spec=made)
        level, text = judged(CATALOGUE, asked)
        assert level == expected and said in text, text
        refused = expected == "changes numbers"
        try:
            migrations.check_catalogue(CATALOGUE, storage.read_attrs(CATALOGUE), asked)
            assert not refused
        except storage.DataFileError:
            assert refused


def test_precision_and_patience_are_harmless(checkout):
    training = {"targets": ["N"], "epochs": 2, "autocast": "bfloat16"}
    make(spec={"training": training, "images": {}})
    asked = training | {"autocast": "float32", "patience": 10}
    level, text = judged(CATALOGUE, asked)
    assert level == "harmless" and "autocast, patience" in text
    assert judged(CATALOGUE, asked | {"epochs": 3})[0] == "changes numbers"


def test_a_step_may_be_told_population_and_view_apart(checkout):
    view = {"n_pix": 60, "pixel_scale": 0.1}
    make(spec={"population": POPULATION, "view": view})
    for asked, level in ((view, "nothing to say"), (view | {"n_pix": 30}, "changes numbers")):
        code = [SCRIPT, LIBRARY]
        step = lineage.Product(CATALOGUE, "example", [INPUT], [POPULATION, asked], code=code)
        assert judged_by({CATALOGUE: step}, CATALOGUE)[0] == level


def test_of_specs_of_several_files_each_has_its_own(checkout):
    images = {"population": POPULATION, "view": {"bands": ["VIS"]}}
    make(spec=images)
    other = images | {"view": {"bands": ["r"]}}
    name = Path(CATALOGUE).stem
    assert judged(CATALOGUE, {name: images, "other": other})[0] == "nothing to say"
    assert judged(CATALOGUE, {name: other, "other": images})[0] == "changes numbers"


def test_settings_of_a_file_that_the_step_reads_are_not_its_own(checkout):
    """What N must be predicted with is told to the step that predicts alpha."""
    assert judged(CATALOGUE, {"target": "N", "training": {}, "images": {}})[0] == "nothing to say"


def test_another_input_changes_numbers_unless_its_arrays_are_the_same(checkout):
    def replace(colour, **more):
        again = provenance.collect({"again": True}, [])
        storage.write_h5(INPUT, {"colour": colour} | more, again)
        return judged(CATALOGUE)

    level, text = replace(np.arange(4.0), k_correction=np.ones(2))
    assert level == "harmless" and f"earlier file with the same arrays: {INPUT}" in text
    level, text = replace(np.arange(4.0) + 1e-9)
    assert level == "changes numbers" and f"made from other files than are here: {INPUT}" in text


def test_inputs_of_other_names_are_unknown(checkout):
    make(inputs=())
    assert judged(CATALOGUE)[0] == "unknown"


@pytest.mark.parametrize(
    ("path", "text", "level", "said"),
    [
        (LIBRARY, STEPS.replace("2 *", "3 *"), "unknown", "has changed since: galaxies/seds.py"),
        (SCRIPT, "import os\n", "unknown", f"has changed since: {SCRIPT}"),
        (
            LIBRARY,
            STEPS.replace("Double", "Twice"),
            "harmless",
            "computes no number: galaxies/seds.py",
        ),
        (LIBRARY, f"# why\n{STEPS.replace('int', 'float')}", "harmless", "computes no number"),
        ("src/lenscnn/nn/train.py", "y = 1\n", "nothing to say", "nothing"),
    ],
)
@pytest.mark.parametrize("committed", [False, True])
def test_code_that_has_changed_is_named(checkout, path, text, level, said, committed):
    """Of the catalogue by its record, of the figure by the commit that it came with."""
    write(path, text)
    if committed:
        commit()
    for target in (CATALOGUE, FIGURE):
        assert judged(target)[0] == level and said in judged(target)[1], judged(target)


def test_edits_that_were_not_committed_are_looked_for_in_later_commits(checkout):
    """The digest says which library it was, and nothing which script."""
    before = git("rev-parse", "--short=12", "HEAD")
    write(LIBRARY, STEPS.replace("2 *", "3 *"))
    dirty = f"0.1.0+src.{source_digest(Path('src/lenscnn'))}.git.{before}-dirty"
    make(code=dirty)
    assert judged(CATALOGUE)[0] == "unknown"
    assert f"made by code that is in no commit here: {dirty}" in judged(CATALOGUE)[1]
    commit()
    level, text = judged(CATALOGUE)
    assert level == "unknown" and "changed since" not in text and "of the script perhaps" in text
    make(code=dirty.removesuffix("-dirty"))
    assert judged(CATALOGUE)[0] == "nothing to say"


def test_code_of_a_copy_without_history_is_looked_for_in_all_commits(checkout):
    make(code=f"0.1.0+src.{source_digest(Path('src/lenscnn'))}")
    for text, level in ((f"# why\n{STEPS}", "harmless"), (STEPS.replace("2 *", "3 *"), "unknown")):
        write(LIBRARY, text)
        commit()
        assert judged(CATALOGUE)[0] == level
        assert "no commit here" not in judged(CATALOGUE)[1]


def test_without_history_the_code_is_unknown(checkout):
    Path(".git").rename(checkout.parent / f"{checkout.name}.git")
    assert judged(CATALOGUE)[0] == judged()[0] == "unknown"


def test_other_libraries_are_harmless(checkout):
    make(libraries=json.dumps({"numpy": "1.0"}))
    level, text = judged(CATALOGUE)
    assert level == "harmless" and "libraries than are here: numpy 1.0" in text


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        (STEPS, "nothing to say", "nothing"),
        (f"# why\n{STEPS}", "harmless", "2 files made by code that has changed where it computes"),
        (STEPS.replace("2 *", "3 *"), "unknown", "2 files made by code that has changed since"),
    ],
)
def test_code_of_deleted_files_is_known_by_what_was_made_of_them(checkout, text, level, said):
    """Images, made of the catalogue and deleted, and what was estimated from them."""
    images, estimates = "results/paper/images.h5", "results/paper/estimates.h5"
    make(images, inputs=[CATALOGUE])
    make(estimates, inputs=[images])
    Path(images).unlink()
    write(LIBRARY, text)
    code = [SCRIPT, LIBRARY]
    plan = {
        images: lineage.Product(images, "images", [CATALOGUE], code=code),
        estimates: lineage.Product(estimates, "predict", [images], [POPULATION], code=code),
    }
    assert judged_by(plan, estimates)[0] == level and said in judged_by(plan, estimates)[1]


def test_absent_and_uncommitted_files_are_unknown(checkout):
    write(FIGURE, "another figure")
    assert "without a record, and in no commit as they are: fig1" in judged()[1]
    git("checkout", "--", FIGURE)
    Path(CATALOGUE).unlink()
    level, text = judged()
    assert level == "unknown" and "code that made them is not known: population" in text


def test_a_figure_of_other_inputs_or_config_than_it_was_committed_with(checkout):
    write(CONFIG, f"# why\n{Path(CONFIG).read_text()}")
    assert judged()[0] == "nothing to say"
    write(CONFIG, "scale: paper\nbins: 5\n")
    assert f"made before the config changed: {CONFIG}" in judged()[1]
    git("checkout", "--", CONFIG)
    make(python="3.0")
    level, text = judged()
    assert level == "harmless" and f"an earlier file with the same arrays: {CATALOGUE}" in text
    storage.write_h5(CATALOGUE, {"x": np.arange(4)}, storage.read_attrs(CATALOGUE))
    level, text = judged()
    assert level == "unknown" and f"committed before their inputs changed: {CATALOGUE}" in text


def test_a_figure_that_was_drawn_here_is_judged_by_what_its_job_read(checkout):
    """As Snakemake notes it; a figure of today that is in no commit."""
    write(FIGURE, "drawn again")
    digests = {
        path: f"sha256:{provenance.hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
        for path in (CATALOGUE, SCRIPT, LIBRARY)
    }
    written = Path(FIGURE).stat().st_mtime
    os.utime(CONFIG, (written - 10, written - 10))
    note = {"starttime": written - 1, "endtime": written, "input_checksums": digests}
    name = base64.urlsafe_b64encode(FIGURE.encode()).decode()
    write(f".snakemake/metadata/{name}", json.dumps(note))
    assert judged()[0] == "nothing to say"
    write(LIBRARY, STEPS + "# edited\n")
    assert judged()[0] == "unknown" and "has changed since: galaxies/seds.py" in judged()[1]
    write(LIBRARY, STEPS)
    make(code="as before")
    assert f"an earlier file with the same arrays: {CATALOGUE}" in judged()[1]
    storage.write_h5(CATALOGUE, {"x": np.arange(4)}, storage.read_attrs(CATALOGUE))
    level, text = judged()
    assert level == "changes numbers" and f"other files than are here: {CATALOGUE}" in text
    os.utime(FIGURE, (written + 60, written + 60))  # put there by git or by hand since
    assert "in no commit as they are" in judged()[1]


def test_what_was_redrawn_is_judged_by_the_code_that_redrew_it(checkout):
    """Of a figure that came out as it is committed; of a file before it, too, that is not here."""
    between = "results/paper/between.csv"
    code = [SCRIPT, LIBRARY]
    plan = {
        CATALOGUE: lineage.Product(CATALOGUE, "population", [INPUT], [POPULATION], code=code),
        between: lineage.Product(between, "metrics", [CATALOGUE], code=code),
        FIGURE: lineage.Product(FIGURE, "fig1", [between], code=code),
    }
    write(LIBRARY, STEPS + "# edited\n")
    write(SCRIPT, "from lenscnn.galaxies.seds import step\nx = 1\n")
    make()
    assert "code that made them is not known: metrics" in judged_by(plan, FIGURE)[1]
    note = {"commit": commit(), "files": [between, FIGURE]}
    write("paper_figures/paper/redrawn.json", json.dumps(note))
    assert judged_by(plan, FIGURE)[0] == "nothing to say"
    write(SCRIPT, "from lenscnn.galaxies.seds import step\nx = 2\n")
    assert "3 files made by code that has changed since" in judged_by(plan, FIGURE)[1]
    git("checkout", "--", SCRIPT)
    write(FIGURE, "another figure")
    assert "in no commit as they are: fig1" in judged_by(plan, FIGURE)[1]


def test_programs_are_compared_without_words():
    def same(old, new):
        return same_program(old.encode(), new.encode())

    assert same('"""A."""\nx = 1', '"""B."""\n\nx = 1  # why')
    assert same("def f(a): return a", 'def f(a: int) -> int:\n    "Text."\n    return a')
    assert same("class A:\n    def f(self): return 1", "class A:\n    def f(self) -> int: return 1")
    assert same("", '"""A package."""')
    assert not same("x = 1", "x = 2")
    assert not same("x = 'a'", "x = 'b'")
    assert not same("def f(a=1): return a", "def f(a=2): return a")
    assert not same("class A:\n    x: int = 1", "class A:\n    x: int = 2")


def test_earlier_versions_are_found_by_their_digest(checkout):
    with h5py.File(INPUT) as file:
        assert list(file) == ["colour"]
    before = Path(INPUT).read_bytes()
    digest = provenance.file_digest(INPUT)
    storage.write_h5(INPUT, {"other": np.ones(1)}, {})
    commit()
    assert Checkout(".").earlier(INPUT, digest) == before
    assert Checkout(".").earlier(INPUT, "0" * 16) is None
