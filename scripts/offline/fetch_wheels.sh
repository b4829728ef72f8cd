#!/usr/bin/env bash
# Fetch into wheels/ what a GPU machine without network lacks: Snakemake, pydantic, which reads the
# config, and all that they need, in the versions of envs/requirements.txt. Run it where there is a
# network.
#
#   scripts/offline/fetch_wheels.sh [PYTHON_VERSION]     of the GPU machine; 3.12 unless given
set -euo pipefail
cd "$(dirname "$0")/../.."

version=${1:-3.12}
python=${PYTHON:-python3}
pins=envs/requirements.txt

# pip takes only the platform tags that it is given, not the older ones that they include.
platforms=()
for tag in _2_28 _2_27 _2_24 _2_17 2014 _2_12 2010 _2_5 1; do
    platforms+=(--platform "manylinux${tag}_x86_64")
done

rm -rf wheels
mkdir wheels
# Published as source only. It is pure Python, so a wheel made here serves anywhere.
"$python" -m pip wheel --quiet --no-deps --constraint $pins --wheel-dir wheels connection_pool
"$python" -m pip download --quiet --only-binary=:all: --implementation cp \
    --python-version "$version" "${platforms[@]}" \
    --find-links wheels --constraint $pins --dest wheels snakemake pydantic
# Solver of Snakemake's other scheduler, which run_slice.sh does not use; more than all the rest.
rm -f wheels/[Pp]u[Ll][Pp]-*.whl

count=$(find wheels -name '*.whl' | wc -l)
echo "wheels/: $count wheels for Python $version, $(du -sh wheels | cut -f1)"
