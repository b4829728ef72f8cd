"""What predictions and catalogues of lenses were made from, by whom, as CSV."""

from lenscnn.lineage import table
from lenscnn.storage import replacing

job = snakemake  # noqa: F821 (given by Snakemake)

records = table(job.input.records)
versions = records["code"].str.partition(".git.")[0].unique()
print(
    f"{len(records)} files, made by {len(versions)} versions of the library:", *versions, sep="\n"
)
with replacing(job.output[0]) as path:
    records.to_csv(path, index=False)
