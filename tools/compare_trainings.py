"""Compare trainings of the same networks under different settings, by their histories.

    python tools/compare_trainings.py results/float32 results/bfloat16

prints, for each network that the first of the folders (of scales) and another hold, the validation
RMSE of its best epoch, mean and standard deviation over seeds, in each; how far it lies above that
in the first folder, with the standard error of the difference; and the median of the images trained
on a second.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np


def trainings(folder: Path) -> dict[str, list[list[dict]]]:
    """Histories of each network, READING/VIEW/NETWORK, one a seed."""
    found = {}
    for path in sorted(folder.glob("*/history/*/*_seed*.jsonl")):
        name = f"{path.parts[-4]}/{path.parts[-2]}/{path.stem.rsplit('_seed', 1)[0]}"
        try:
            records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            errors = {target for one in records for target in one["validation_rmse"].keys()}
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            sys.exit(f"error: {path} is no history of a training of this version ({error})")
        if errors:
            found.setdefault(name, []).append(records)
    return found


def lowest(histories: list[list[dict]], target: str) -> np.ndarray:
    """Return the validation RMSE of a target in each history's best epoch, in the target's unit."""
    best = [min(records, key=lambda one: one["validation_loss"]) for records in histories]
    return np.array([one["validation_rmse"][target] for one in best])


def deviation(values: np.ndarray) -> float:
    """Return the standard deviation; of a single value nan."""
    return np.std(values, ddof=1) if len(values) > 1 else np.nan


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="results/<scale>, two or more")
    folders = parser.parse_args().folders
    found = {folder: trainings(folder) for folder in folders}
    if empty := [str(folder) for folder, networks in found.items() if not networks]:
        sys.exit(f"error: no histories of trainings under {', '.join(empty)}")
    names = [n for n in found[folders[0]] if any(n in found[other] for other in folders[1:])]
    if not names:
        sys.exit("error: the folders have no network in common")
    print("| network | target | under | seeds | epochs | RMSE | above the first | images/s |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        for target in found[folders[0]][name][0][0]["validation_rmse"]:
            first = lowest(found[folders[0]][name], target)
            for folder in (folder for folder in folders if name in found[folder]):
                histories = found[folder][name]
                rmse = lowest(histories, target)
                error = np.hypot(*(deviation(v) / len(v) ** 0.5 for v in (rmse, first)))
                above = f"{rmse.mean() - first.mean():.2g} +- {error:.2g}"
                rate = np.median([one["images_per_second"] for h in histories for one in h])
                epochs = " ".join(str(n) for n in sorted({len(h) for h in histories}))
                print(
                    f"| {name} | {target} | {folder} | {len(rmse)} | {epochs} "
                    f"| {rmse.mean():.4g} +- {deviation(rmse):.2g} "
                    f"| {'' if folder == folders[0] else above} | {rate:,.0f} |"
                )


if __name__ == "__main__":
    main()
