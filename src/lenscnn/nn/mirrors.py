"""Mirrors of the sky: what becomes of images and of labels in them."""

import torch

from lenscnn.nn.data import scale

MIRRORED = {
    "theta_E": (1, 1, 1),
    "alpha": (1, 1, 1),
    "N": (1, 1, 1),
    "e1": (1, 1, -1),
    "e2": (-1, -1, 1),
}
"""Sign that a label takes when the sky is mirrored in x, in y, in the diagonal x = y.

e1 + i e2 is e exp(2 i phi), where a mirror takes phi to pi - phi, to -phi, to pi / 2 - phi.
"""


def mirror(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Mirror images in x, then in y, then in the diagonal x = y.

    Parameters
    ----------
    images : tensor, shape (n, C, H, H)
    chosen : tensor of bool, shape (n, 3)
        Which of the mirrors each image meets.

    Returns
    -------
    tensor, shape (n, C, H, H)
    """
    for column, reflect in enumerate((lambda x: x.flip(3), lambda x: x.flip(2), lambda x: x.mT)):
        images = torch.where(chosen[:, column, None, None, None], reflect(images), images)
    return images


def mirrored_signs(signs: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Return what labels are multiplied with where images are mirrored.

    Parameters
    ----------
    signs : tensor, shape (n_labels, 3)
        As in `MIRRORED`.
    chosen : tensor of bool, shape (n, 3)

    Returns
    -------
    tensor, shape (n, n_labels)
    """
    return torch.where(chosen[:, None], signs, torch.ones_like(signs)).prod(2)


class RandomMirrors:
    """Mirrors that each training image meets, drawn again for every epoch.

    Parameters
    ----------
    targets, label_range
        Labels that the training estimates, and what they are scaled to.
    scaling
        (minimum, maximum) of each target.
    n_train
        How many images are trained on.
    device
        Where they are.
    """

    def __init__(self, targets: list[str], label_range: float, scaling: dict, n_train: int, device):
        # In place, for a CUDA graph is bound to this tensor.
        self._chosen = torch.zeros((n_train, 3), dtype=torch.bool, device=device)
        self._signs = torch.tensor([MIRRORED[name] for name in targets], device=device)
        self._zeros = torch.tensor(
            [scale(0.0, scaling[name]) * label_range for name in targets],
            device=device,
        )

    def draw(self, generator: torch.Generator) -> None:
        """Draw the mirrors of an epoch, from a generator on the CPU."""
        self._chosen.copy_(torch.randint(2, tuple(self._chosen.shape), generator=generator))

    def apply(
        self, rows: torch.Tensor, images: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images of some rows as they look in their mirrors, and their scaled targets."""
        chosen = self._chosen.index_select(0, rows)
        signs = mirrored_signs(self._signs, chosen)
        return mirror(images, chosen), self._zeros + (targets - self._zeros) * signs
