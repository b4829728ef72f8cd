"""What tests of trainings share: a spec, and data that a network can learn from."""

import numpy as np

SPEC = {
    "network": {"filters": [4], "kernels": [3], "pool_after": [1], "dense": 16, "dropout": 0.25},
    "targets": ["alpha"],
    "label_range": 1.0,
    "scalars": ["N"],
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "batch_size": 16,
    "learning_rate_decay": "none",
    "mirror": False,
    "epochs": 3,
    "patience": None,
    "validation_fraction": 0.2,
    "normalise": "image",
    "seed": 5,
    "autocast": "float32",
    "images": {"population": {"seed": 1}, "view": {"n_pix": 12}, "n": 60},
}


def column(trained, name):
    """Values of the history of a training by epoch."""
    return [record[name] for record in trained.history]


def data(n=150, size=8, seed=0):
    """Images, alpha, N; alpha is a linear function of N and of how steep the image is."""
    rng = np.random.default_rng(seed)
    slope = rng.random(n)
    ramp = np.linspace(0, 1, size)
    images = slope[:, None, None, None] * ramp + 0.1 * rng.random((n, 1, size, size))
    images = images.astype(np.float32)
    n_subhaloes = rng.integers(100, 900, n).astype(float)
    alpha = -2.0 + 0.5 * (slope - 0.5) + (n_subhaloes - 500) / 1600
    return images, alpha, n_subhaloes
