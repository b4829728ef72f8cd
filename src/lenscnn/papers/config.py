"""The whole config."""

from typing import Annotated, Literal

from pydantic import Field

from lenscnn.config.checks import values_of_scale
from lenscnn.config.model import Count, Number, Section, check_types, setting
from lenscnn.papers.pearson2019.config import Pearson2019Config
from lenscnn.papers.scutt.config import ScuttConfig


class Tolerance(Section):
    """How far ours may be from a printed number and still be called within tolerance, by kind."""

    rms: Number = setting("RMS error of a lens parameter, relative.", ge=0)
    rmse: Number = setting("RMS error of N or alpha, relative.", ge=0)
    rmse_at_alpha: Number = setting("RMS error of N or alpha at one true alpha, relative.", ge=0)
    bias: Number = setting("Mean error, relative.", ge=0)
    sigma: Number = setting("Half-width of a distribution of errors, relative.", ge=0)
    gradient: Number = setting("Slope of predicted against true, relative.", ge=0)
    correlation: Number = setting("Correlation of predicted and true values, relative.", ge=0)
    extreme: Number = setting("Lowest or highest prediction, relative.", ge=0)
    fit: Number = setting("Mean or width of a fit to a distribution of lenses, relative.", ge=0)
    population: Number = setting("Property of the simulated lenses, relative.", ge=0)
    factor: Number = setting("Ratio of errors, relative to the largest of a row.", ge=0)
    drop: Number = setting("Decrease, as part of what it decreases from.", ge=0)
    rise: Number = setting("Increase, as part of what it increases to.", ge=0)
    spread: Number = setting("Standard deviation printed beside a mean, relative.", ge=0)


class Claims(Section):
    """The claims ledger."""

    tolerance: Tolerance = setting("Tolerances by kind of number, relative.")


class Config(Section):
    """The whole config."""

    scale: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")] = setting(
        "Name of this size of the project; first folder under results/ and paper_figures/."
    )
    seed: Count = setting("Seed of every random number in the data sets.", ge=0)
    device: Literal["auto", "cpu", "cuda"] = setting(
        "Where tensors live: auto is CUDA if there is a GPU."
    )
    predictions: Literal["computed", "released"] = setting(
        "computed: simulate, train and predict; released: take the predictions (and the catalogues "
        "of pearson2019) under results/<scale>/ as they are, and only measure and draw."
    )
    claims: Claims = setting("The claims ledger.")
    scutt: ScuttConfig = setting("Scutt: dark subhaloes and their mass function.")
    pearson2019: Pearson2019Config = setting("Pearson et al. 2019: lenses in survey images.")


def config_of_scale(folder, scale: str = "paper") -> dict | None:
    """Return what `config.checks.values_of_scale` does, with defaults filled in."""
    values = values_of_scale(folder, scale)
    if values is not None:
        check_types(Config, values)
    return values
