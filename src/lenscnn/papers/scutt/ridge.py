"""Ridge regression on principal components of images: what a network has to beat.

The features of an image are its scores on the leading principal components of the training images
and the squares of the first few of these scores, all scaled to zero mean and unit variance over
the training images. The targets are linear in the features, with coefficients that minimise the
mean squared error plus a penalty times the sum of their squares. The penalty is the one of
`PENALTIES` with the smallest error on the validation images.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

COMPONENTS = 400

SQUARES = 24
"""How many principal components, and how many of them squared as well."""

PENALTIES = 10.0 ** np.arange(-6, 2)

_ROWS = 4096  # images in float64 features at a time


@dataclass(frozen=True)
class Ridge:
    """A fitted regression.

    Attributes
    ----------
    mean : ndarray of float32, shape (d,)
        Mean training image, d = C H W pixels.
    axes : ndarray of float32, shape (d, k)
        Principal components.
    center, width : ndarray, shape (p,)
        Mean and standard deviation of the features before scaling.
    coefficients : ndarray, shape (p, n_targets)
    intercept : ndarray, shape (n_targets,)
    penalties : ndarray, shape (n_targets,)
        Those chosen.
    """

    mean: np.ndarray
    axes: np.ndarray
    center: np.ndarray
    width: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray
    penalties: np.ndarray


def fit(images: np.ndarray, targets: np.ndarray, n_train: int) -> Ridge:
    """Fit to the first images; choose the penalty of each target by the others.

    Parameters
    ----------
    images : ndarray of float32, shape (n, C, H, W)
    targets : ndarray, shape (n, n_targets)
    n_train
        How many images to fit to, less than n and at least 3, for the scores of two have the same
        squares.
    """
    if not 3 <= n_train < len(images):
        raise ValueError(
            f"{n_train} of {len(images)} images to fit to: 3 are needed, and some to validate on"
        )
    pixels = images.reshape(len(images), -1)
    training = pixels[:n_train]
    mean = training.mean(axis=0, dtype=np.float64).astype(np.float32)
    axes = _principal_axes(training, mean)

    intercept = targets[:n_train].mean(axis=0)
    total: Any = 0.0
    products, with_targets = 0.0, 0.0
    for rows in _chunks(n_train):
        features = _features(training[rows], mean, axes)
        total += features.sum(axis=0)
        products += features.T @ features
        with_targets += features.T @ (targets[rows] - intercept)
    center = total / n_train
    covariance = products / n_train - np.outer(center, center)
    width = np.sqrt(np.diag(covariance))
    values, vectors = linalg.eigh(covariance / np.outer(width, width))
    # The targets lost their mean, so the features need not lose theirs here.
    projected = vectors.T @ (with_targets / n_train / width[:, None])
    solutions = [vectors @ (projected / (values + penalty)[:, None]) for penalty in PENALTIES]

    squares: Any = 0.0
    for rows in _chunks(len(pixels) - n_train):
        features = (_features(pixels[n_train:][rows], mean, axes) - center) / width
        errors = features @ np.stack(solutions) + intercept - targets[n_train:][rows]
        squares += (errors**2).sum(axis=1)  # (penalties, targets)
    best = squares.argmin(axis=0)
    coefficients = np.stack(solutions)[best, :, np.arange(len(best))].T
    return Ridge(mean, axes, center, width, coefficients, intercept, PENALTIES[best])


def predict(model: Ridge, images: np.ndarray) -> np.ndarray:
    """Estimate from images of shape (n, C, H, W), shape (n, n_targets)."""
    pixels = images.reshape(len(images), -1)
    parts = [
        (_features(pixels[rows], model.mean, model.axes) - model.center)
        / model.width
        @ model.coefficients
        + model.intercept
        for rows in _chunks(len(pixels))
    ]
    return np.concatenate(parts)


def _principal_axes(pixels: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return leading principal components, that of the largest variance first, (d, k)."""
    n, d = pixels.shape
    covariance = np.zeros((d, d))
    for rows in _chunks(n):
        centered = pixels[rows] - mean
        covariance += centered.T @ centered
    first = max(0, d - min(COMPONENTS, n - 1))
    values, vectors = linalg.eigh(
        covariance / n, subset_by_index=[first, d - 1], overwrite_a=True, check_finite=False
    )
    kept = values > np.finfo(np.float32).eps * values[-1]  # the rest is rounding
    return vectors[:, kept][:, ::-1].astype(np.float32)


def _features(pixels: np.ndarray, mean: np.ndarray, axes: np.ndarray) -> np.ndarray:
    scores = ((pixels - mean) @ axes).astype(np.float64)
    return np.hstack([scores, scores[:, :SQUARES] ** 2])


def _chunks(n: int):
    return (slice(start, min(start + _ROWS, n)) for start in range(0, n, _ROWS))
