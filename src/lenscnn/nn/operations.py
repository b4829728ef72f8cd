"""Operations that a network takes."""

from lenscnn.nn import fft_conv


def network_flop(spec: dict, image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Count operations of matrix products for one image, convolutions summed directly.

    All else (normalisation, pooling, the optimizer) has less than a hundredth as many, but needs
    time for moving data: the floor knows nothing of it.

    Parameters
    ----------
    spec
        Training spec (see `spec`).
    image_shape
        (C, H, W).

    Returns
    -------
    forward : int
        To predict.
    training : int
        Forward and backward; the images themselves need no gradient.
    """
    network = spec["network"]
    channels, height, width = image_shape
    products = []
    for number, (filters, kernel) in enumerate(
        zip(network["filters"], network["kernels"], strict=True), start=1
    ):
        shape = (1, channels, height, width)
        products.append(fft_conv.direct_operations(shape, filters, kernel))
        channels = filters
        if number in network["pool_after"]:
            height, width = height // 2, width // 2
    dense = network["dense"]
    products.append(2 * channels * height * width * dense)
    products.append(2 * (dense + len(spec["scalars"])) * len(spec["targets"]))
    return sum(products), 3 * sum(products) - products[0]
