"""The command line of Snakemake, as far as Snakemake itself answers a mistake with a traceback.

It reads config files before it reads the Snakefile; profiles/default, which it reads first of all,
calls `check_command_line`.
"""

from pathlib import Path

from lenscnn.config.checks import near
from lenscnn.config.yaml_files import InputError, read_configs

_FOLDER = Path(__file__).parents[3] / "config"

_FILES, _VALUES = ("--configfile", "--configfiles"), ("--config", "-C")


def check_command_line(arguments: list[str]) -> None:
    """Check what stands behind ``--configfile`` and ``--config``, and config/config.yaml.

    Parameters
    ----------
    arguments
        Of ``snakemake``.

    Raises
    ------
    InputError
        With one line: a config file is not there or not YAML, or a target stands where a config
        file or value is expected.
    """
    for value in _behind(_VALUES, arguments):
        if "=" not in value:
            raise InputError(_no(value, "--config", "is no KEY=VALUE", arguments))
    given = _behind(_FILES, arguments)
    for path in given:
        if not Path(path).exists():
            if Path(path).suffix not in (".yaml", ".yml", ".json"):
                raise InputError(_no(path, "--configfile", "is no file", arguments))
            known = [f"{_FOLDER.name}/{file.name}" for file in _FOLDER.glob("*.yaml")]
            raise InputError(f"error: there is no config file {path}{near(path, known)}")
    read_configs([_FOLDER / "config.yaml", *given])


def _behind(options: tuple[str, ...], arguments: list[str]) -> list[str]:
    """Return the values of an option: all up to the next option."""
    values, taken = [], False
    for argument in arguments:
        if argument == "--":
            break
        option, _, value = argument.partition("=")
        if argument.startswith("-"):
            taken = option in options
            values += [value] * (taken and bool(value))
        elif taken:
            values.append(argument)
    return values


def _no(word: str, option: str, why: str, arguments: list[str]) -> str:
    place = arguments.index(word)
    right = " ".join(["snakemake", *arguments[:place], "--", *arguments[place:]])
    return f"error: {word} {why}, as {option} takes; if it is a target, put -- before it: {right}"
