"""The claims ledger, as CSV and as a page."""

from lenscnn import claims
from lenscnn.claims_page import page
from lenscnn.products import Products, catalogue
from lenscnn.storage import replacing

job = snakemake  # noqa: F821 (given by Snakemake)
params = job.params


def made_or_awaited(name: str) -> list[str]:
    return [*job.input[name], *params.awaited[name]]


papers = {
    "pearson2019": [
        Products(
            catalogue(made_or_awaited("pearson2019")),
            samples={name: made_or_awaited(name) for name in params.samples},
            **params.runs["pearson2019"],
        )
    ],
    "scutt": [
        Products(catalogue(made_or_awaited(reading)), **params.runs["scutt"])
        for reading in params.readings["scutt"]
    ],
}
papers["pearson2019"].append(papers["pearson2019"][0].renamed(params.literal))

registry = claims.read_registry(job.input.registry)
reasons = claims.read_reasons(job.input.reasons, registry)
ledger = claims.ledger(registry, papers, params.tolerances, reasons, params.run["scale"])
with replacing(job.output.csv) as path:
    ledger.to_csv(path, index=False)
with replacing(job.output.page) as path:
    path.write_text(page(ledger, params.readings, **params.run), encoding="utf-8")
