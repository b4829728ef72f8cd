# The papers that the config describes, and what rules ask of them. Nothing here is a rule.
from lenscnn.core.storage import DataFileError
from lenscnn.papers.paper import Available, settings_behind
from lenscnn.papers.pearson2019.claims import trained_unevenly
from lenscnn.papers.pearson2019.specs import (
    CONTROL_VIEW,
    CORE_VIEWS,
    DARK_VIEWS,
    SELECTED,
)
from lenscnn.papers.pearson2019.targets import N_EXAMPLES
from lenscnn.papers.registry import DESCRIBE_RUN, make_papers, targets_of
from lenscnn.papers.scutt.specs import RIDGE
from lenscnn.records.migrations import OtherSettingsError, check_predictions

PAPERS = make_papers(config, OF_SCALE or AS_PRINTED)
P = PAPERS["pearson2019"]
VARIANTS = {name: paper for name, paper in PAPERS.items() if name != P.name}  # of Scutt
SCUTT = next(iter(VARIANTS.values()))  # variants share samples, views and sizes


def any_of(names):
    """Pattern of a wildcard that is one of some names, those of all papers without repeats."""
    return "|".join(dict.fromkeys(names))


def followed_by(rest):
    """Pattern of a wildcard that is one of some names, each followed by its own pattern in a path.

    Of a submitted job Snakemake compares the value alone, which ends where the name ends.
    """
    return "|".join(f"{name}(?=$|/({pattern}))" for name, pattern in rest.items())


def with_its(names, split):
    """Pattern of the wildcard `paper`: each with its own views and networks, or estimates.

    It is for paths ``{paper}/<folder>/{view}/{network}_seed{seed}``; `names` gives a paper's. Views
    are those that have images of the split: some samples have no lenses to train with.
    """
    return followed_by(
        {
            name: rf"\w+/({any_of(views_with(paper, split))})/({any_of(names(paper))})_seed"
            for name, paper in PAPERS.items()
        }
    )


def views_with(paper, split):
    return [view for view in paper.views if paper.images_spec(view, split)["n"]]


def with_its_shards(rows):
    """Pattern of ``{split}/shard_{shard}.``: each split with its own shards, of those rows."""
    return any_of(
        rf"{split}/shard_({any_of(str(k) for k in range(len(rows(split))))})\."
        for split in ("train", "test")
    )


def with_their_splits(views):
    """Pattern of ``{view}/{split}``: each view with the splits that it has images of."""
    splits = ("train", "test")
    return followed_by(
        {view: any_of(s for s in splits if view in views_with(P, s)) for view in views}
    )


# Names of all papers; each rule says which of them its own paper has.
wildcard_constraints:
    paper=any_of(PAPERS),
    variant=any_of(VARIANTS),
    sample=any_of(name for paper in PAPERS.values() for name in paper.samples),
    view=any_of(name for paper in PAPERS.values() for name in paper.views),
    camera=any_of(P.config["cameras"]),
    network=any_of(name for paper in PAPERS.values() for name in paper.networks),
    estimate=any_of(name for paper in PAPERS.values() for name in paper.estimates),


def images_of(split):
    """Input function: the images of one split of a view."""
    return lambda w: PAPERS[w.paper].shards(w.view, split)


def spec_of_images(split):
    """Parameter function: what the images of one split of a view are made from."""
    return lambda w: spec_file(PAPERS[w.paper].images_spec(w.view, split))


def size_of_images(n, n_bands, n_pix):
    """Resource: disk that images fill, in float32."""
    return f"{max(1, 4 * n * n_bands * n_pix**2 // 10**6)}MB"


def first_and_last(rows):
    return "{} {}".format(*rows)


def checkpoint_path(wildcards, output):
    weights = Path(output.weights)
    return weights.with_name(f".{weights.stem}.checkpoint").as_posix()


def inputs_of_estimate(wildcards):
    """Weights of the network behind an estimate and, where it takes N from another, that."""
    w, paper = wildcards, PAPERS[wildcards.paper]
    view, network = paper.trained_on(w.estimate, w.view)
    folder = f"<results>/{w.paper}"
    inputs = {"weights": f"{folder}/weights/{view}/{network}_seed{w.seed}.pt"}
    source = paper.source_of_n(w.estimate)
    if source not in ("truth", "none"):
        inputs["n"] = f"{folder}/predictions/{w.view}/{source}_seed{w.seed}.h5"
    return inputs


def n_of_estimate(wildcards, input):
    return getattr(input, "n", PAPERS[wildcards.paper].source_of_n(wildcards.estimate))


def settings_of_n(wildcards, input):
    """Parameter function of predict: what predictions of N must be made with; null if none are read."""
    path = getattr(input, "n", None)
    return spec_file(path and settings_behind(PAPERS[wildcards.paper], path))


def settings_of_predictions(name=None):
    """Parameter function of metrics: settings behind each of the predictions, in order."""
    return lambda wildcards, input: [
        as_json(settings_behind(PAPERS[name or wildcards.paper], path))
        for path in input.predictions
    ]


def here(path):
    """A path with the folder that <results> is."""
    return path.replace("<results>", f"{PREFIX}results/{SCALE}")


def available(paths):
    """Those of the files that a target can have: all, unless released ones are missing."""
    if config["predictions"] == "computed":
        return paths
    return [path for path in paths if can_be_made(here(path))]


def available_or_all(paths):
    """Input function: what is available; without anything the target is not to be made."""
    return lambda wildcards: available(paths) or paths


TARGETS = {name: targets_of(paper) for name, paper in PAPERS.items()}


def files_of(name):
    """Files of all figures and tables of a paper."""
    return [
        f"<papers>/{name}/{target.name}.{suffix}"
        for target in TARGETS[name]
        for suffix in target.suffixes
    ]


def inputs_of(target):
    """Inputs of a target's rule: code stays with the workflow, some files may be missing."""
    inputs = {"code": code_of(f"scripts/{target.script}.py")}
    for key, value in target.inputs.items():
        if isinstance(value, Available):
            value = available_or_all(value)
        elif isinstance(value, str) and not value.startswith("<"):
            value = own(value)
        inputs[key] = value
    return inputs


def outputs_of(name, target):
    """Outputs of a target's rule, by suffix; one of them is in the report."""
    paths = {
        suffix: f"<papers>/{name}/{target.name}.{suffix}" for suffix in target.suffixes
    }
    shown = report(
        paths[target.shown],
        caption=f"../report/{target.caption}.rst",
        category=name,
        labels={"target": target.label},
    )
    return paths | {target.shown: shown}


def disk_of_images(wildcards):
    """Resource function: disk that the images of one split of a view fill."""
    spec = P.images_spec(wildcards.view, wildcards.split)
    n_pix = spec["population"]["survey"]["n_pix"]
    return size_of_images(spec["n"], len(spec["view"]["bands"]), n_pix)


def photometry():
    """The table of galaxy colours: the committed one, or one made from a library of SEDs."""
    if P.config["photometry"]["sed_library"] == "committed":
        return own("data/photometry/bc03.h5")
    return f"<results>/{P.name}/photometry.h5"


def check_released():
    """Raise WorkflowError if predictions that are here were made with other settings."""
    for paper in PAPERS.values():
        paths = paper.all_predictions()
        if paper.name in VARIANTS:
            paths += [
                path for view in paper.views for path in paper.ridge_predictions(view)
            ]
        for path in map(here, paths):
            if not os.path.isfile(path):
                continue
            try:
                check_predictions(path, settings_behind(paper, path))
            except OtherSettingsError as error:
                raise WorkflowError(str(error)) from None
            except DataFileError:
                continue  # what draws it says what is wrong


# Figures and the ledger say of released predictions what the config says of them.
if config["predictions"] == "released":
    check_released()
