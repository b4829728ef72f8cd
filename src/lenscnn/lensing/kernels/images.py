"""What drawing any image takes: blocks of rows, and the point-spread function."""

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.lensing.kernels.threads import OPTIONS

# Points computed at a time: so many that the few left over after whole vectors cost nothing, so few
# that all arrays of a block stay in the nearest cache.
BLOCK = 512


@njit(**OPTIONS)
def convolve(image, kernel, out):
    """Convolve with a symmetric kernel by axes, the outermost pixels repeated."""
    height, width = image.shape
    reach = len(kernel) - 1
    blurred = np.empty(width + 2 * reach, image.dtype)
    for row in range(height):
        middle = blurred[reach : reach + width]
        for i in range(width):
            middle[i] = kernel[0] * image[row, i]
        for k in range(1, reach + 1):
            above, below = image[max(row - k, 0)], image[min(row + k, height - 1)]
            for i in range(width):
                middle[i] += kernel[k] * (above[i] + below[i])
        blurred[:reach] = middle[0]
        blurred[reach + width :] = middle[-1]
        for i in range(width):
            out[row, i] = kernel[0] * middle[i]
        for k in range(1, reach + 1):
            left, right = blurred[reach - k :], blurred[reach + k :]
            for i in range(width):
                out[row, i] += kernel[k] * (left[i] + right[i])


@njit(**OPTIONS)
def blocks_of_rows(points):
    """Return how many rows of the grid `points` x `points` to draw at once, and x along them."""
    n_points = len(points)
    block = min(-(-BLOCK // n_points), n_points)
    x = np.empty(block * n_points, np.float32)
    for row in range(block):
        x[row * n_points : (row + 1) * n_points] = points
    return block, x
