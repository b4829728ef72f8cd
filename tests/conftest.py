"""What every test shares: one thread, the config's specs, a skip for GPU tests without a GPU."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

from lenscnn.papers.config import config_of_scale  # noqa: E402
from lenscnn.papers.scutt.specs import Scutt  # noqa: E402

ROOT = Path(__file__).parent.parent


def pytest_collection_modifyitems(items):
    import torch

    torch.set_num_threads(1)
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(autouse=True)
def _same_numbers_alone_or_in_the_suite():
    import torch

    torch.manual_seed(1)


@pytest.fixture(scope="session")
def config():
    return config_of_scale(ROOT / "config")


@pytest.fixture
def population(config):
    """Function: the population spec of a law and a draw, as the workflow puts it together."""

    def spec(law="powerlaw", draw="fixed", **changes):
        parts = Scutt(config | {"seed": 3}, "scutt").population_spec(draw)
        return parts | {"mass_function": config["scutt"]["mass_functions"][law]} | changes

    return spec


@pytest.fixture
def view(config):
    """Function: the spec of a view, with the noise of the reading as printed."""

    def spec(name="fixed", **changes):
        return Scutt(config, "scutt").view_spec(name) | changes

    return spec
