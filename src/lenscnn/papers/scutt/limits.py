"""How well the slope of scutt's mass function can be known at all, without a look at an image."""

import numpy as np
import pandas as pd

from lenscnn.papers.scutt.metrics import VARIED, rmse
from lenscnn.papers.scutt.population import draw_subhaloes
from lenscnn.papers.scutt.tables import conditional_mean
from lenscnn.stats.bootstrap import resampled_rows
from lenscnn.stats.latex import latex_row, latex_table, value_with_error

KNOWN = {
    "nothing": "nothing",
    "N": "$N$",
    "N_and_theta_E": r"$N$, and $\theta_\mathrm{E}$ and $z_\mathrm{s}$ by the lens mass",
    "masses": "all subhalo masses",
}
"""What is known of a lens, with names in LaTeX."""

_SLOPES = 401

_AT_ONCE = 500


def best_slopes(spec: dict, lenses: dict) -> np.ndarray:
    """Return the posterior mean of alpha given the masses of all subhaloes of each lens.

    No estimate has a smaller mean squared error. The prior is the population's, uniform; the
    likelihood is that of the masses and of the next one, which would have passed the budget.

    Parameters
    ----------
    spec
        As for `population.draw_lenses`.
    lenses : dict of ndarray, shape (n,)
        Rows of a catalogue drawn from it.
    """
    alpha = np.linspace(spec["alpha"]["minimum"], spec["alpha"]["maximum"], _SLOPES)
    found = []
    for start in range(0, len(lenses["index"]), _AT_ONCE):
        few = {name: values[start : start + _AT_ONCE] for name, values in lenses.items()}
        mass, *_, bounds = draw_subhaloes(spec, few)
        owner = np.repeat(np.arange(len(few["index"])), np.diff(bounds))
        n = len(few["index"])
        left = spec["substructure_fraction"] * few["lens_mass"]
        left = left - np.bincount(owner, mass, minlength=n)
        law = spec["mass_function"]
        likelihood = _decades if law["law"] == "decades" else _power_law
        log = likelihood(law["minimum"], law["maximum"], alpha, mass, owner, left)
        weight = np.exp(log - log.max(axis=1, keepdims=True))
        found.append(weight @ alpha / weight.sum(axis=1))
    return np.concatenate(found)


def _power_law(minimum, maximum, alpha, mass, owner, left) -> np.ndarray:
    """Return log likelihoods (n, slopes) of masses with dN/dM as M^alpha between two masses."""
    p, top = alpha + 1, maximum / minimum
    whole = (top**p - 1) / p
    logs = np.bincount(owner, np.log(mass / minimum), minlength=len(left))
    counts = np.bincount(owner, minlength=len(left))
    beyond = np.clip(left / minimum, 1, top)[:, None]
    passes = (top**p - beyond**p) / p / whole
    return logs[:, None] * alpha - counts[:, None] * np.log(whole) + _log(passes)


def _decades(minimum, maximum, alpha, mass, owner, left) -> np.ndarray:
    """Return log likelihoods (n, slopes) of masses 10^k with probability as k^alpha."""
    k = np.arange(round(np.log10(maximum / minimum)) + 1)
    probability = (k[:, None] + 1.0) ** alpha
    probability /= probability.sum(axis=0)
    decade = np.round(np.log10(mass / minimum)).astype(int)
    counts = np.bincount(owner * len(k) + decade, minlength=len(left) * len(k))
    passes = (minimum * 10.0**k > left[:, None]) @ probability
    return counts.reshape(-1, len(k)) @ np.log(probability) + _log(passes)


def _log(probability: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probability, 1e-300))


def limits_table(spec: dict, training: dict, test: dict, resamples: int) -> pd.DataFrame:
    """Return the least errors of alpha from what could be known of a lens, subset `varied`.

    Parameters
    ----------
    spec
        As for `population.draw_lenses`.
    training : dict of ndarray, shape (m,)
        A catalogue to learn mean slopes from; N of `N_and_theta_E` is taken over the lens mass, on
        which alone it depends beside the slope.
    test : dict of ndarray, shape (n,)
        A catalogue.
    resamples
        Bootstrap resamples.

    Returns
    -------
    DataFrame
        Columns known, n, rmse, rmse_err; a row for each of `KNOWN`.
    """
    chosen = test["subset"] == VARIED
    test = {name: values[chosen] for name, values in test.items()}
    middle = (spec["alpha"]["minimum"] + spec["alpha"]["maximum"]) / 2

    def read(quantity):
        knots, values = conditional_mean(quantity(training), training["alpha"])
        return np.interp(quantity(test), knots, values)

    estimates = {
        "nothing": np.full(len(test["alpha"]), middle),
        "N": read(lambda lenses: lenses["N"]),
        "N_and_theta_E": read(lambda lenses: lenses["N"] / lenses["lens_mass"]),
        "masses": best_slopes(spec, test),
    }
    rows = []
    for known, estimate in estimates.items():
        true, n = test["alpha"], len(estimate)
        draws = [rmse(true[k], estimate[k]) for k in resampled_rows(n, resamples)]
        error = np.std(np.concatenate(draws), ddof=1)
        rows.append({"known": known, "n": n, "rmse": rmse(true, estimate), "rmse_err": error})
    return pd.DataFrame(rows)


def limits_latex(table: pd.DataFrame, run: dict[str, str]) -> str:
    """Write stacked `limits_table`s with a column sample in LaTeX (needs booktabs).

    `run` is as `stats.latex.latex_table` takes it.
    """
    samples = list(dict.fromkeys(table["sample"]))
    body = []
    for known, label in KNOWN.items():
        rows = table[table["known"] == known].set_index("sample")
        cells = [value_with_error(*rows.loc[name, ["rmse", "rmse_err"]]) for name in samples]
        body.append(latex_row([label, *cells]))
    caption = (
        r"Least root mean square errors of the slope $\alpha$ from what is known of a lens, with "
        r"bootstrap errors: no network that learns no more than that from an image can do better."
    )
    heading = [latex_row(["Known", *samples])]
    return latex_table(caption, run, "l" + "c" * len(samples), heading, body)
