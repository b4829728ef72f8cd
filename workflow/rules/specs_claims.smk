# What the claims ledger is told of the runs. Nothing here is a rule.
import yaml

from lenscnn.records.migrations import OtherSettingsError, check_predictions
from lenscnn.core.storage import DataFileError

# What else a view or sample of pearson2019 is, read literally: dark current, population.
PEARSON_LITERAL = {
    **{view: view.replace("vis_", "vis_dark_") for view in CORE_VIEWS},
    **{draw: f"{draw}_literal" for draw in ("euclid", "lsst")},
}


def network_and_shape(networks, network, image_shape):
    spec = architecture_of(networks, network)
    return {"spec": spec, "image_shape": image_shape}


# The papers' networks, for the numbers of their parameters: smaller scales have smaller ones.
PRINTED = yaml.safe_load(
    Path(workflow.basedir, "config/config.yaml").read_text(encoding="utf-8")
)


def claimed_runs():
    """Of each paper, what lenscnn.claims.quantities.RunResults takes beside the files."""
    n_scutt = S["sets"]["n_test"] + len(S["sets"]["fixed_alphas"]) * (
        S["sets"]["n_fixed_alpha"]
    )
    return {
        "scutt": {
            "resamples": S["evaluation"]["bootstrap"],
            "epochs": S["training"]["epochs"],
            "images": dict.fromkeys(ESTIMATES, n_scutt),
            "networks": {
                network: network_and_shape(
                    PRINTED["scutt"]["networks"],
                    network,
                    [1] + 2 * [S["views"]["fixed"]["n_pix"]],
                )
                for network in NETWORKS["fixed"]
            },
            "geometry": {
                view: {
                    "theta_E": S["draws"]["fixed"]["theta_E"],
                    "pixel_scale": S["views"][view]["pixel_scale"],
                }
                for view in ("fixed", "lowres")
            },
        },
        "pearson2019": {
            "resamples": P["evaluation"]["bootstrap"],
            "epochs": P["training"]["epochs"],
            "images": {
                view: P["draws"][PEARSON_VIEWS[view]["draw"]]["n_test"]
                for view in TESTED_ON
            },
            "networks": {
                camera: network_and_shape(
                    PRINTED["pearson2019"]["networks"],
                    "cnn",
                    [len(P["cameras"][camera]["bands"]), *stamp_of(camera)],
                )
                for camera in ("vis", "gri")
            },
            "scatter": SCATTER_VIEWS["both"],
            "lenses": {sample: draw["n_test"] for sample, draw in P["draws"].items()},
        },
    }


def unevenly_trained():
    """Papers whose two readings have networks trained on different numbers of images."""
    sizes = {
        P["draws"][P["cameras"][camera]["draw"]]["n_train"]
        for camera in ("vis", "vis_dark")
    }
    return ["pearson2019"] if len(sizes) > 1 else []


def claimed_predictions():
    """Every predictions file, by reading of scutt and for pearson2019."""
    files = {
        reading: [
            path
            for view, estimates in ESTIMATES.items()
            for path in predictions_of(reading, view, estimates)
        ]
        for reading in READINGS
    }
    files["pearson2019"] = [
        path
        for view, networks in TESTED_ON.items()
        for path in pearson_predictions([view], networks)
    ]
    return files


def here(path):
    """A path with the folder that <results> stands for."""
    return path.replace("<results>", f"results/{SCALE}")


def at_hand(paths):
    """Those of the files that a target can have now: all, unless released ones are missing."""
    if config["predictions"] == "computed":
        return paths
    return [path for path in paths if can_be_made(here(path))]


def check_released():
    """Raise WorkflowError if predictions that are here were made with other settings."""
    files = claimed_predictions()
    for reading in READINGS:
        files[reading] += [
            path for view in ESTIMATES for path in ridge_predictions(reading, view)
        ]
    for reading, paths in files.items():
        for path in map(here, paths):
            if not os.path.isfile(path):
                continue
            try:
                check_predictions(path, made_with(reading, path))
            except OtherSettingsError as error:
                raise WorkflowError(str(error)) from None
            except DataFileError:
                continue  # what draws it says what is wrong


# Figures and the ledger say of released predictions what the config says of them.
if config["predictions"] == "released":
    check_released()
