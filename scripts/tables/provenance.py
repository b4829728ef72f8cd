"""What predictions and catalogues of lenses were made from, by whom, as CSV."""

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write
from lenscnn.records.lineage import table

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

records = table(job.input.records)
versions = records["code"].str.partition(".git.")[0].unique()
print(
    f"{len(records)} files, made by {len(versions)} versions of the library:", *versions, sep="\n"
)
with atomic_write(job.output[0]) as path:
    records.to_csv(path, index=False)
