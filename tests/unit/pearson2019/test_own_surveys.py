"""Surveys, cameras and studies by config: what they are called, what is printed beside them."""

import copy
import re

import numpy as np
import pytest
import yaml
from conftest import ROOT

from lenscnn.config.checks import find_mistakes
from lenscnn.papers.config import Config, check_types
from lenscnn.papers.pearson2019.checks import check
from lenscnn.papers.pearson2019.claims import describe_run
from lenscnn.papers.pearson2019.figures.cameras import look_of
from lenscnn.papers.pearson2019.specs import CORE_VIEWS, DARK_VIEWS, Pearson2019
from lenscnn.papers.registry import make_papers, targets_of

EXAMPLES = sorted((ROOT / "config/examples").glob("*.yaml"))


@pytest.fixture
def changed(config):
    """Function: the config with one value changed."""

    def lay(path, value):
        own = copy.deepcopy(config)
        *folders, last = path.split(".")
        section = own["pearson2019"]
        for name in folders:
            section = section[name]
        section[last] = value
        return own

    return lay


@pytest.fixture
def changed_paper(config, changed):
    """Function: the paper as the config has it with one value changed."""
    return lambda path, value: make_papers(changed(path, value), config)["pearson2019"]


@pytest.fixture
def example(config):
    """Function: the paper with a shipped example laid over its config, checked."""

    def lay(path):
        own = copy.deepcopy(config)
        overlay = yaml.safe_load(path.read_text())["pearson2019"]
        for section, entries in overlay.items():
            own["pearson2019"][section] |= entries
        assert check_types(Config, own) == []
        assert find_mistakes([lambda: check(own["pearson2019"])]) == []
        return make_papers(own, config)["pearson2019"]

    return lay


def table_of(paper, name="table1"):
    return next(target for target in targets_of(paper) if target.name == name)


def test_the_paper_itself_is_as_the_paper_has_it(config):
    paper = make_papers(config, config)["pearson2019"]
    assert not any(map(paper.changed, [*paper.views, *paper.samples]))
    assert paper.label("vis") == "Euclid VIS" and paper.label_of_sample("lsst") == "LSST"
    assert "not as the paper" not in paper.note(CORE_VIEWS)
    assert table_of(paper).params["changed"] == {}


def test_another_psf_is_not_called_euclid_vis(changed_paper):
    paper = changed_paper("surveys.euclid.seeing", 0.34)
    assert paper.changed("vis_kept") == paper.changed("euclid") == ["seeing 0.34 (0.17)"]
    assert paper.label("vis") == "Euclid VIS, changed"
    assert paper.label_of_sample("euclid") == "Euclid, changed"
    assert paper.label("r") == "LSST $r$" and paper.label_of_sample("lsst") == "LSST"
    assert paper.note(CORE_VIEWS).endswith("; not as the paper: seeing 0.34 (0.17)")
    params = table_of(paper).params
    assert {"vis_removed", "vis_kept"} <= set(params["changed"])
    assert not {"r_removed", "vis_dark_kept"} & set(params["changed"])
    assert params["run"]["changed"] == "; not as the paper: seeing 0.34 (0.17)"
    told = describe_run(paper, paper)["changed"]  # to the ledger
    assert {"vis_kept", "euclid", "euclid_bright"} <= told.keys()
    assert not {"r_kept", "lsst", "vis_dark_kept"} & told.keys()
    assert told["euclid"] == ["seeing 0.34 (0.17)"]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("cameras.vis.sample", "euclid_dark", "dark_current 2.0 (0.0)"),
        ("population.sigma_v.mean", 230.0, "sigma_v.mean 230.0 (250.0)"),
        ("networks.cnn.dense", 64, "network.dense 64 (512)"),
        ("criteria.mu", 2.0, "criteria.mu 2.0 (3.0)"),
        ("surveys.euclid.bands.VIS.sky", 21.0, "bands.VIS.sky 21.0 (22.2)"),
        ("photometry.sed_library", "my_seds", "sed_library my_seds (committed)"),
    ],
)
def test_whatever_is_changed_is_told(changed_paper, path, value, told):
    paper = changed_paper(path, value)
    assert told in paper.changed("vis_removed")
    assert paper.label("vis") == "Euclid VIS, changed"
    assert "vis_removed" in table_of(paper).params["changed"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("samples.euclid.n_test", 100),
        ("samples.euclid.n_train", 100),
        ("population_models.calibrated.maximum_attempts", 10_000_000),
        ("photometry.sed_library", "bagpipes"),  # which the committed table was made of
        ("surveys.euclid.theta_E_training.maximum", 2.0),
        ("training.epochs", 1),
        ("evaluation.bootstrap", 5),
        ("scene.tolerance", 1e-4),
        ("cameras.vis.colour", "#000000"),
    ],
)
def test_sizes_and_how_it_is_computed_change_no_name(changed_paper, path, value):
    paper = changed_paper(path, value)
    assert not any(map(paper.changed, paper.views)) and paper.label("vis") == "Euclid VIS"


def test_other_bands_of_a_camera_are_told(changed_paper):
    paper = changed_paper("cameras.r.bands", ["g"])
    assert paper.changed("r_kept") == ["bands [g] ([r])"] and paper.changed("vis_kept") == []
    assert paper.label("r") == "LSST $r$, changed"


def test_a_survey_is_known_by_its_values_not_its_name(config, changed):
    own = changed("samples.euclid.survey", "mine")
    own["pearson2019"]["surveys"]["mine"] = config["pearson2019"]["surveys"]["euclid"]
    assert make_papers(own, config)["pearson2019"].changed("vis_kept") == []


def test_an_own_name_for_a_changed_camera_stays(changed):
    own = changed("surveys.euclid.seeing", 0.34)
    own["pearson2019"]["cameras"]["vis"]["label"] = "My telescope"
    printed = copy.deepcopy(own)
    printed["pearson2019"]["surveys"]["euclid"]["seeing"] = 0.17
    printed["pearson2019"]["cameras"]["vis"]["label"] = "Euclid VIS"
    paper = Pearson2019(own, Pearson2019(printed))
    assert paper.label("vis") == "My telescope" and paper.changed("vis_kept")


@pytest.mark.parametrize("label", ["Euclid VIS", "euclid  vis", "LSST $r$", "LSST r"])
def test_no_other_camera_bears_a_name_of_the_papers(config, changed, label):
    own = changed("cameras.r.label", None)
    own["pearson2019"]["cameras"]["mine"] = {
        **config["pearson2019"]["cameras"]["vis_dark"], "label": label,
    }  # fmt: skip
    own["pearson2019"]["samples"]["mine"] = {
        **config["pearson2019"]["samples"]["euclid_dark"], "label": "Euclid",
    }  # fmt: skip
    paper = make_papers(own, config)["pearson2019"]
    assert paper.label("mine") == f"{label}, changed"
    assert paper.label_of_sample("mine") == "Euclid, changed"
    assert paper.label("r") == "r" and paper.label("vis") == "Euclid VIS"


def test_captions_of_the_report_call_cameras_as_figures_do(config, changed):
    own = changed("surveys.euclid.seeing", 0.34)
    own["pearson2019"]["study"]["cameras"] = ["vis", "r"]
    paper = make_papers(own, config)["pearson2019"]
    called = table_of(paper, "study_table").params["called"]
    assert called.startswith(r"Euclid VIS\, changed, LSST ") and ":math:`r`" in called


def test_the_papers_camera_bears_its_name_under_any_key(config, changed):
    vis = config["pearson2019"]["cameras"]["vis"]
    paper = make_papers(changed("cameras.mine", vis), config)["pearson2019"]
    assert paper.label("mine") == "Euclid VIS"


def test_what_has_no_label_is_changed_by_its_key(config, changed):
    own = changed("surveys.euclid.seeing", 0.34)
    own["pearson2019"]["surveys"]["euclid_dark"]["seeing"] = 0.34
    own["pearson2019"]["cameras"]["vis"]["label"] = None
    paper = make_papers(own, config)["pearson2019"]
    assert paper.label("vis") == "vis, changed"
    assert paper.label_of_sample("euclid_dark") == "euclid_dark, changed"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short_and_have_their_targets(example, path):
    assert len(path.read_text().splitlines()) < 25
    paper = example(path)
    names = [target.name for target in targets_of(paper)]
    study = {"study_table", "study_errors", "study_snr", "study_examples", "study_selection"}
    study |= {"study_limits"}
    visits = {name for name in names if name.startswith("study_visits")}
    assert visits == ({"study_visits_wide1"} if path.stem == "wide_psf" else set())
    assert study <= set(names) and len(names) == len(set(names))
    for camera in paper.config["study"]["cameras"]:
        assert paper.label(camera) == paper.config["cameras"][camera]["label"]
    # Nothing of the paper is touched: its own figures stay what they are.
    assert not any(map(paper.changed, (*CORE_VIEWS, *DARK_VIEWS)))


def test_numbers_of_the_examples_are_lenstronomys(example):
    from lenstronomy.SimulationAPI.ObservationConfig.DES import DES
    from lenstronomy.SimulationAPI.ObservationConfig.Roman import Roman

    def compare(survey, band, peer):
        exposures, camera = peer.obs["num_exposures"], peer.camera
        optics = survey["bands"][band]
        assert optics["zero_point"] == pytest.approx(peer.obs["magnitude_zero_point"], abs=1e-3)
        assert optics["sky"] == peer.obs["sky_brightness"]
        assert survey["reads"] == exposures
        assert survey["exposure"] == exposures * peer.obs["exposure_time"]
        assert (survey["pixel_scale"], survey["read_noise"]) == (
            camera["pixel_scale"], camera["read_noise"],
        )  # fmt: skip

    paths = {path.stem: path for path in EXAMPLES}
    roman = example(paths["roman"]).survey_of("roman")
    compare(roman, "F158", Roman("F158"))
    assert roman["seeing"] == Roman("F158").obs["seeing"]
    des = example(paths["des"]).survey_of("des")
    for band in "gri":
        compare(des, band, DES(band))
    assert des["seeing"] == DES("r").obs["seeing"]


@pytest.mark.parametrize(("stem", "told"), [("des", True), ("roman", False)])
def test_a_study_says_which_einstein_radii_are_in_no_bin(example, stem, told):
    """DES trains to 3.5 arcsec, Roman to 2.7; the bins end at 3."""
    paper = example(next(path for path in EXAMPLES if path.stem == stem))
    note = table_of(paper, "study_errors").params["note"]
    assert note.endswith("; no bin for theta_E outside 0 to 3 arcsec") is told


def test_a_study_of_visits_tests_each_network_on_each_stack(example):
    paper = example(next(path for path in EXAMPLES if path.stem == "wide_psf"))
    views = ["wide1_removed", "wide4_removed"]
    assert [paper.tested_on[view] for view in views] == [views, views]
    assert [paper.images_spec(view, "test")["view"]["visits"] for view in views] == [1, 4]
    target = table_of(paper, "study_visits_wide1")
    assert target.params["trained"] == {"wide1_removed": 1, "wide4_removed": 4}
    assert len(target.inputs["predictions"]) == 4
    assert target.title == "Study: errors against visits stacked"
    assert target.params["note"].startswith("VIS, PSF 0.34 arcsec, 1 visit, VIS, PSF 0.34 arcsec, ")


def test_stacks_of_a_study_are_sorted_and_share_a_network(example):
    paper = example(next(path for path in EXAMPLES if path.stem == "wide_psf"))
    own = {"seed": 1, "scale": "mine", "pearson2019": copy.deepcopy(paper.config)}
    own["pearson2019"]["study"]["cameras"] = ["wide4", "wide1"]
    trained = table_of(Pearson2019(own), "study_visits_wide4").params["trained"]
    assert list(trained) == ["wide1_removed", "wide4_removed"]
    own["pearson2019"]["networks"]["other"] = own["pearson2019"]["networks"]["cnn"]
    own["pearson2019"]["cameras"]["wide4"]["network"] = "other"
    assert Pearson2019(own).study_stacks() == []


def test_a_study_of_visits_and_scatter_has_the_tests_of_both(config, example):
    paper = example(next(path for path in EXAMPLES if path.stem == "wide_psf"))
    own = {"seed": 1, "scale": "mine", "pearson2019": copy.deepcopy(paper.config)}
    own["pearson2019"]["study"] |= {
        "lens_light": ["removed", "kept"],
        "scatter": {"phi": {"train": [0, 10], "test": [0, 10]}},
    }
    both = Pearson2019(own)
    for target in targets_of(both):
        for path in [p for p in target.inputs.get("predictions", []) if "wide" in p]:
            view, network = path.split("/")[-2:]
            assert network.removesuffix("_seed0.h5") in both.tested_on[view], target.name


def test_a_study_of_scatter_has_views_of_its_own_sample(config, changed):
    levels = {"train": [0, 10], "test": [0, 10, 30]}
    own = changed("study.scatter", {"phi": levels})
    own["pearson2019"]["study"]["cameras"] = ["r"]
    paper = make_papers(own, config)["pearson2019"]
    target = table_of(paper, "study_scatter_phi_r")
    assert target.params["trained"] == {"r_e0_phi0": 0, "r_e0_phi10": 10}
    assert target.params["tested"] == [0, 10, 30]
    assert target.params["note"].startswith("LSST $r$. pearson2019, ")
    spec = paper.images_spec("r_e0_phi30", "test")
    assert spec["view"]["light_of_mass"] == {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 30}
    assert spec["population"]["draw"] == "lsst" and spec["view"]["bands"] == ["r"]
    assert target.inputs["control"].endswith("metrics/r_removed.csv")
    assert paper.tested_on["r_removed"] == ["r_removed"]


def test_a_camera_may_have_a_network_of_its_own(changed):
    own = changed("cameras.vis_dark.network", "small")
    own["pearson2019"]["networks"]["small"] = {
        **own["pearson2019"]["networks"]["cnn"],
        "dense": 16,
    }
    paper = Pearson2019(own)
    assert paper.trained_on("vis_dark_kept", "vis_dark_kept") == ("vis_dark_kept", "small")
    assert paper.estimate_spec("vis_dark_kept", "vis_dark_kept", 0)["network"]["dense"] == 16
    assert paper.estimate_spec("vis_kept", "vis_kept", 0)["network"]["dense"] == 512


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("study.cameras", ["hst"], "study.cameras: 'hst' is none of vis, r, gri"),
        ("cameras.vis.visits", 4, "cameras.vis.visits: 4; .* add a camera of your own"),
        ("cameras.vis.network", "deep", "cameras.vis.network: 'deep' is none of cnn"),
        ("cameras.vis.bands", ["Y"], "cameras.vis.bands: survey euclid .*no band 'Y'; it has VIS"),
        ("surveys.lsst.bands.g.filter", None, "bands.g.filter: it is missing"),
        ("surveys.lsst.bands.g.filter", "decam2014-g", "bands.g.filter: .*sed_library: bagpipes"),
        ("population.position_radius", 3.4, "lsst.theta_E_training.maximum: 3.5 arcsec is above "),
        ("surveys.lsst.seeing", 0.8, "lsst.theta_E_training.minimum: 0.5 arcsec is not above 0.56"),
    ],
)
def test_mistakes_are_told_with_a_remedy(changed, path, value, told):
    own = changed(path, value)
    (line,) = find_mistakes([lambda: check(own["pearson2019"])])
    assert re.search(told, line)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("decam2014-rr", r"'decam2014-rr'; did you mean decam2014-r\? Take one of https"),
        ("mine.ecsv", "there is no file mine.ecsv"),
        ("", "it is missing"),
    ],
)
def test_filters_are_known_before_colours_are_made(changed, given, told):
    own = changed("photometry.sed_library", "bagpipes")
    bands = own["pearson2019"]["surveys"]["lsst"]["bands"]
    bands["g"]["filter"] = "decam2014-g"
    assert find_mistakes([lambda: check(own["pearson2019"])]) == []
    bands["g"]["filter"] = given
    (line,) = find_mistakes([lambda: check(own["pearson2019"])])
    assert line.startswith("config key pearson2019.surveys.lsst.bands.g.filter: ")
    assert re.search(told, line)


def test_colours_are_made_for_filters_in_use_alone(config, changed):
    lsst = config["pearson2019"]["surveys"]["lsst"]
    bands = {name: {**band, "filter": f"sdss2010-{name}"} for name, band in lsst["bands"].items()}
    own = changed("surveys.mine", {**lsst, "bands": bands})
    needed = [f"lsst2016-{band}" for band in "gri"]
    assert Pearson2019(own).filters() == needed  # of several bands, in a survey that a sample sees
    assert find_mistakes([lambda: check(own["pearson2019"])]) == []  # not committed, and not used
    own["pearson2019"]["samples"]["mine"] = {
        **config["pearson2019"]["samples"]["lsst"], "survey": "mine",
    }  # fmt: skip
    assert Pearson2019(own).filters() == [*needed, *(f"sdss2010-{band}" for band in "gri")]
    own["pearson2019"]["photometry"]["k_correction"] = True
    assert "Euclid-VIS" in Pearson2019(own).filters()


def test_colours_are_those_of_the_config_and_free_ones_differ():
    def camera(colour):
        return {"label": "a", "colour": colour}

    for given in ("#0072B2", "#0072b2"):
        looks = look_of({"a": camera(None), "b": camera(given), "c": camera(None)})
        colours = [colour.upper() for _, colour in looks.values()]
        assert colours[1] == "#0072B2" and len(set(colours)) == 3
    many = look_of({str(k): camera(None) for k in range(20)})
    assert np.size(list(many.values())) == 40


def leaves(values, path):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}.{key}")
        elif isinstance(value, float):
            yield f"{path}.{key}", value


def test_every_number_of_the_population_is_noticed(config, changed_paper):
    training_only = ("population.q_training",)
    for path, value in leaves(config["pearson2019"]["population"], "population"):
        if not path.startswith(training_only):
            assert changed_paper(path, value * 1.01 + 0.001).changed("vis_kept"), path


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"wide4": {"visits": 1}}, "another number"),
        ({"wide1": {"colour": "#0072B2"}, "wide4": {"colour": "#0072b2"}}, "have colour #0072B2"),
        ({"wide4": {"label": "VIS, PSF 0.34 arcsec, 1 visit"}}, "two of them are called"),
    ],
)
def test_cameras_of_a_study_are_told_apart(example, changes, told):
    paper = example(next(path for path in EXAMPLES if path.stem == "wide_psf"))
    own = copy.deepcopy(paper.config)
    for name, values in changes.items():
        own["cameras"][name] |= values
    assert any(told in line for line in find_mistakes([lambda: check(own)]))
