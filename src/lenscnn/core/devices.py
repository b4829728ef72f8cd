"""Where tensors live: the config key ``device`` and the machine's answer."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def resolve_device(name: str) -> torch.device:
    """Return the device that the config key ``device`` asks for.

    Parameters
    ----------
    name
        "cpu", "cuda", or "auto" for a GPU where torch sees one.

    Raises
    ------
    ValueError
        If the name is unknown, if "cuda" is asked for and not there, or if "auto" would leave a
        GPU idle that is here or was granted to this job.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"config key `device` is {name!r}; it can be auto, cpu or cuda")
    if name != "cpu" and not torch.cuda.is_available():
        if name == "cuda" or has_nvidia_gpu() or granted_gpu():
            built_for_cpus = torch.version.cuda is None and torch.version.hip is None
            problem = "is a build without CUDA" if built_for_cpus else "sees no CUDA device"
            raise ValueError(
                f"config key `device` is {name!r}, but torch {torch.__version__} {problem}: run on "
                "a machine with an NVIDIA GPU and install a torch built for its driver's CUDA "
                "(`nvidia-smi` names the version, https://pytorch.org/get-started/locally the "
                "command), or set `device: cpu`"
            )
    if name == "cpu" or not torch.cuda.is_available():
        _keep_freed_memory()
        return torch.device("cpu")
    set_precision("float32")
    return torch.device("cuda")


PRECISIONS = ("float32", "tf32", "bfloat16")
"""What the config key ``autocast`` may be."""


def set_precision(name: str) -> None:
    """Set whether float32 convolutions on a GPU may round their factors to TF32's 10 bits.

    Only "float32" forbids it; torch's default allows it for tensors of float32. Matrix products
    never round: dense layers cost little, and N needs its digits. The setting holds for this
    process until the next call, and changes nothing on a CPU.

    Parameters
    ----------
    name
        One of `PRECISIONS`.
    """
    torch.backends.cudnn.allow_tf32 = name != "float32"
    torch.backends.cuda.matmul.allow_tf32 = False


def training_precision(name: str, device: torch.device) -> str:
    """Return the precision in which convolutions are trained on a device.

    On a GPU it is the one asked for. On a CPU TF32 does not exist, and bfloat16 pays where the
    processor multiplies matrices of it (AMX): elsewhere it is float32.

    Parameters
    ----------
    name
        One of `PRECISIONS`, from the config key ``autocast``.
    device
        From `resolve_device`.
    """
    if device.type == "cuda" or (name == "bfloat16" and has_amx()):
        return name
    return "float32"


def has_amx() -> bool:
    """Return whether this processor has Intel's matrix units for bfloat16 (AMX)."""
    return torch.cpu._is_amx_tile_supported()


def _keep_freed_memory() -> None:
    """Have malloc keep large blocks for the next tensor, where the C library is glibc.

    It would hand them back to the system, which gives the next one page by page and zeroed: up to
    half the time of a prediction, whose tensors live for one layer.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextlib.contextmanager
def flush_subnormals() -> Iterator[None]:
    """Let this thread of a CPU take numbers below 1.2e-38 as zero, until the block ends.

    A dense unit that no image reaches any more gets no gradient. The optimizer's means of it
    shrink at each step until they are subnormal, and never become zero. A processor takes some
    hundred cycles for each such number, and of a large dense layer nine units in ten may end so.
    Weights are none the less the same bits: an update of that size changes none of them.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def has_nvidia_gpu() -> bool:
    """Return whether this machine has an NVIDIA GPU, whether or not torch can use it."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def granted_gpu() -> bool:
    """Return whether Slurm gave this job a GPU."""
    return bool(os.environ.get("SLURM_JOB_GPUS") or os.environ.get("SLURM_STEP_GPUS"))


def report_memory(device: torch.device) -> None:
    """Print the most memory that this process has held on a GPU; on a CPU nothing."""
    if device.type == "cuda":
        print(f"GPU memory: {torch.cuda.max_memory_reserved(device) / 1e6:.0f} MB at most")


def device_name(device: torch.device) -> str:
    """Return the device in words, for provenance.

    "cuda" with the GPU's model, or "cpu" with the instructions that decide how sums are rounded: a
    training ends with the same bits on the same kind of CPU only.
    """
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    capability = torch.backends.cpu.get_cpu_capability()
    return f"cpu ({capability}{', AMX' if has_amx() else ''})"
