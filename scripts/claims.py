"""The claims ledger, as CSV and as a page."""

from lenscnn.claims.ledger import make_ledger
from lenscnn.claims.page import page
from lenscnn.claims.quantities import list_predictions
from lenscnn.claims.registry import check_formulas, read_reasons, read_registry
from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write
from lenscnn.papers.pearson2019.claims import LITERAL
from lenscnn.papers.results import RESULTS

job = logged(snakemake)  # noqa: F821 (given by Snakemake)
params = job.params


def made_or_awaited(name: str) -> list[str]:
    return [*job.input[name], *params.awaited[name]]


papers = {
    "pearson2019": [
        RESULTS["pearson2019"](
            list_predictions(made_or_awaited("pearson2019")),
            samples={name: made_or_awaited(name) for name in params.samples},
            **params.runs["pearson2019"],
        )
    ],
    "scutt": [
        RESULTS["scutt"](list_predictions(made_or_awaited(variant)), **params.runs[variant])
        for variant in params.readings["scutt"]
    ],
}
papers["pearson2019"].append(papers["pearson2019"][0].renamed(LITERAL))

registry = read_registry(job.input.registry)
check_formulas(registry, RESULTS)
reasons = read_reasons(job.input.reasons, registry)
ledger = make_ledger(registry, papers, params.tolerances, reasons, params.run["scale"])
with atomic_write(job.output.csv) as path:
    ledger.to_csv(path, index=False)
with atomic_write(job.output.page) as path:
    path.write_text(page(ledger, params.readings, **params.run), encoding="utf-8")
