"""What a person sees who made a mistake, or whose job failed."""

from workflows import clone, overlay, snakemake


def test_a_failed_jobs_own_message_is_the_last_on_the_screen(tmp_path):
    """Of a job whose rule is a command, and of one whose rule is a script."""
    copy = clone(tmp_path)
    library = {"photometry": {"sed_library": "/nowhere"}}
    overlay(copy, "mine", {"scale": "mine", "pearson2019": library})
    text = snakemake(
        "--cores", "1", "--keep-going", "--quiet", "rules", "--configfile", "mine.yaml", "--",
        "results/mine/pearson2019/photometry.h5", "runtime_table", cwd=copy, check=False,
    )  # fmt: skip
    end = text.partition("2 jobs failed.")[2]
    for rule, log, message in (
        ("pearson2019_photometry", "pearson2019/photometry", "error: /nowhere"),
        ("runtime_table", "runtime_table", "ValueError: no step of this scale has run here"),
    ):
        shown = end.partition(f"\nrule {rule} (")[2].partition("\n\n")[0].rstrip().splitlines()
        assert shown[1] == f"log: logs/mine/{log}.log, which ends"
        assert shown[-1].strip().startswith(message), text


def test_mistakes_of_the_command_line_are_a_line_each():
    """Of what Snakemake reads before the Snakefile."""
    for mistake, message in (
        (["--configfile", "config/qick.yaml", "--", "all"], "error: there is no config file"),
        (["--config", "device=cpu", "scutt_fig4"], "error: scutt_fig4 is no KEY=VALUE"),
    ):
        lines = snakemake("-n", *mistake, check=False).splitlines()
        assert len(lines) == 2 and lines[1].startswith(message), lines
