"""Check whether the workflow can run here: a line for each thing, and what to do about it.

    python tools/check.py [CONFIG...]

Configs are laid over config/config.yaml one after the other, as --configfile does.
"""

import argparse
import re
import shutil
import subprocess
import sys
from functools import partial
from importlib import metadata
from pathlib import Path

from lenscnn.config.site import read_site
from lenscnn.config.yaml_files import InputError, read_configs
from lenscnn.papers.registry import mistakes_in

SITE = Path("profiles/slurm/site.yaml")


def environment() -> str:
    """Return the version of Python; raise InputError if packages are not those of the project."""
    wanted = dict(
        re.findall(r"^([\w.-]+)==([\w.]+)", Path("envs/requirements.txt").read_text(), re.M)
    )
    other = []
    for name, version in wanted.items():
        try:
            here = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            here = "missing"
        if here != version:
            other.append(f"{name} {here} (wanted: {version})")
    if other:
        raise InputError(f"{', '.join(other)}: pip install -r envs/requirements.txt")
    return f"Python {sys.version.split()[0]}, {len(wanted)} packages as in envs/requirements.txt"


def compiler() -> str:
    """Return the C compiler."""
    if not (found := shutil.which("cc") or shutil.which("gcc")):
        raise InputError("there is no C compiler (cc or gcc): install one, as with apt install gcc")
    return found


def device() -> str:
    """Return what `device: auto` is here; in a process of its own, for torch may not import."""
    asked = (
        "import torch; from lenscnn.core.devices import device_name, resolve_device as find;"
        "print('torch', torch.__version__ + ', device: auto is', device_name(find('auto')))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, encoding="utf-8")
    if done.returncode != 0:
        raise InputError((done.stderr.strip().splitlines() or ["torch does not import"])[-1])
    return done.stdout.strip()


def slurm() -> str:
    """Return whether jobs can be submitted; a site file that is there must be good."""
    site = read_site(SITE) if SITE.exists() else None
    if not shutil.which("sbatch"):
        return "not here (--profile slurm needs it, nothing else does)"
    return (
        f"here; partitions of {SITE}: {', '.join(site['partitions'])}"
        if site
        else (f"here; describe it in {SITE} (site.example.yaml beside it, docs/cluster.md)")
    )


def config(configs: list[str]) -> str:
    """Return which config is good."""
    files = [Path("config/config.yaml"), *map(Path, configs)]
    values = read_configs(files)
    if mistakes := mistakes_in(values, "config"):
        raise InputError("\n              ".join(mistakes))
    return f"{' + '.join(map(str, files))}, scale {values['scale']}"


def disk() -> str:
    """Return the room for results."""
    folder = Path("results" if Path("results").exists() else ".").resolve()
    free = shutil.disk_usage(folder).free / 1e9
    return f"{free:.0f} GB free in {folder}; a run whose images need more says so at its start"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", metavar="CONFIG", nargs="*")
    of_config = partial(config, parser.parse_args().configs)
    checks = {check.__name__: check for check in (environment, compiler, device, slurm)}
    bad = 0
    for name, check in (checks | {"config": of_config, "disk": disk}).items():
        try:
            mark, said = "ok", check()
        except InputError as error:
            mark, said, bad = "BAD", str(error).removeprefix("error: "), bad + 1
        print(f"{mark:3} {name:12} {said}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
