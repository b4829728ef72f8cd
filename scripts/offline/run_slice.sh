#!/usr/bin/env bash
# Run slices of the workflow on a bare machine without network, and pack what came of them.
# See README.md beside this file.
#
#   scripts/offline/run_slice.sh OUT PAPER/VIEW...     e.g. out scutt/fixed pearson2019/r_kept
#
# Environment: MINUTES to compute (9), GPU_JOBS at a time on the GPU (4), CORES (all),
# DEVICE (cuda), CONFIG overlay (none, that is paper scale), PYTHON (python3), and the limits on
# what is packed: MAX_FILES (8), MAX_FILE_MIB (16), MAX_TOTAL_MIB (64).
set -euo pipefail

(($# >= 2)) || {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
for slice in "$@"; do
    [[ $slice =~ ^[a-z0-9_]+/[a-z0-9_]+$ ]] || {
        echo "run_slice.sh: a slice is PAPER/VIEW, such as scutt/fixed, not '$slice'" >&2
        exit 2
    }
done

MINUTES=${MINUTES:-9}
MAX_FILES=${MAX_FILES:-8}
MAX_FILE_MIB=${MAX_FILE_MIB:-16}
MAX_TOTAL_MIB=${MAX_TOTAL_MIB:-64}
source scripts/offline/common.sh

python=$(command -v "${PYTHON:-python3}") || {
    echo "run_slice.sh: no ${PYTHON:-python3} here; name one with PYTHON=" >&2
    exit 2
}
# The rules call `python`, which a machine may not have or may have as another one.
mkdir "$work/bin"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" >"$work/bin/python"
chmod +x "$work/bin/python"
export PATH=$work/bin:$PATH

install_snakemake() {
    if compgen -G 'wheels/*.whl' >/dev/null; then
        python -m pip install --quiet --no-index --no-deps --no-compile \
            --target "$work/site" wheels/*.whl
        export PYTHONPATH=$work/site${PYTHONPATH:+:$PYTHONPATH}
    fi
    python -c 'import snakemake' || {
        echo "run_slice.sh: no Snakemake; run scripts/offline/fetch_wheels.sh where there is a" \
            "network, and bring wheels/ along" >&2
        exit 2
    }
}

# NVIDIA's service by which processes compute on a GPU at the same time. Without it they take turns,
# and several trainings are hardly faster than one after the other.
share_gpu() {
    [[ ${DEVICE:-cuda} != cpu ]] && command -v nvidia-cuda-mps-control >/dev/null || return 0
    [[ -z ${CUDA_MPS_PIPE_DIRECTORY:-} ]] || return 0 # somebody's service is to be used
    export CUDA_MPS_PIPE_DIRECTORY=$work/mps CUDA_MPS_LOG_DIRECTORY=$work/mps
    mkdir "$work/mps"
    trap 'stop_sharing; rm -rf "$work"' EXIT
    timeout 10 nvidia-cuda-mps-control -d &&
        timeout 60 python -c 'import torch; torch.ones(1, device="cuda").item()' && return
    echo "run_slice.sh: NVIDIA's multi-process service does not run; the GPU is shared in turns" >&2
    stop_sharing
}

# End the service that this script started, and no other.
stop_sharing() {
    [[ ${CUDA_MPS_PIPE_DIRECTORY:-} == "$work/mps" ]] || return 0
    echo quit | timeout 10 nvidia-cuda-mps-control >/dev/null || true
    unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
}

# Snakemake, until it is done, the time is up or this script is told to stop.
running='' stopped=''
trap 'stopped=1; [[ -z $running ]] || kill -TERM "$running" 2>/dev/null || true' TERM INT
run_snakemake() {
    local left=$((60 * MINUTES - SECONDS)) status=0
    ((left > 0)) && [[ -z $stopped ]] || return 124
    # timeout ends the jobs too: they are in its process group. --nolock: a lock is all that an
    # earlier command, killed on this machine, can have left.
    timeout --kill-after=20 "$left" python -m snakemake --nolock --keep-going \
        --scheduler greedy --cores "${CORES:-all}" --resources "gpu=${GPU_JOBS:-4}" \
        ${CONFIG:+--configfile "$CONFIG"} --config "device=${DEVICE:-cuda}" "$@" &
    running=$!
    # A signal ends `wait`, not Snakemake: that has its jobs to clear away.
    while kill -0 "$running" 2>/dev/null; do
        status=0
        wait "$running" || status=$?
    done
    running=''
    return $status
}

# Benchmark and log of each product of a slice.
records() {
    products "$1" | sed -E 's,/predictions/,/predict/,
        s,^results/(.*)\.[^.]+$,benchmarks/\1.tsv\nlogs/\1.log,'
}

# Give what the networks of slices left one age, now: Snakemake makes anew what is older than its
# input. The age of an output is that of its benchmark if that is older.
rejuvenate() {
    local slice
    touch "$work/now"
    for slice in "$@"; do
        [[ ${slice#*/} != population ]] || continue # images were made from it: they stay younger
        find "results/$SCALE/${slice%/*}"/{weights,history}/"${slice#*/}" \
            "benchmarks/$SCALE/${slice%/*}/train/${slice#*/}" \
            $(products "$slice") $(records "$slice") \
            -type f -exec touch -r "$work/now" {} + 2>/dev/null || true
    done
}

install_snakemake
list_slices
for slice in "$@"; do
    [[ -n $(products "$slice") ]] || {
        echo "run_slice.sh: no slice '$slice'; there are" $(slices) >&2
        exit 2
    }
done
targets=() first=() brought=0
for slice in "$@"; do
    if complete "$slice"; then
        echo "$slice: all is there, skipped"
    else
        mapfile -t -O ${#targets[@]} targets < <(products "$slice")
        ((${#first[@]})) || first=("${targets[@]}")
        for network in $(trained "$slice"); do
            echo "$slice: $network is trained, goes on with its weights"
            brought=1
        done
    fi
done
status=0
if ((${#targets[@]})); then
    share_gpu
    # What was brought along is made to look younger than the code, so that only images that are
    # still needed are made. Beside trained networks these come first, by themselves: a job whose
    # input is made in the same run is always run again, so weights brought along would be trained
    # again because of images made anew. Then weights are made to look younger than those, and all
    # the rest is run. What weights were trained with is checked when they predict.
    # So are catalogues that came without images: the images are still to be made from them.
    for folder in "results/$SCALE"/*/population; do
        [[ ! -d $folder || -d ${folder%population}images ]] || find "$folder" -type f -exec touch {} +
    done
    rejuvenate "$@"
    if ((brought)); then
        run_snakemake --until simulate pearson2019_images pearson2019_fitted_images \
            -- "${targets[@]}" && rejuvenate "$@" || status=$?
    fi
    ((status)) || run_snakemake --prioritize "${first[@]}" -- "${targets[@]}" || status=$?
    ((status == 0)) ||
        echo "Snakemake ended with $status (124: the time was up); packing what is there"
fi

# Pack files into OUT/NAME if the limits leave room for it.
files=0 bytes=0
pack() {
    local name=$1 size reason=''
    shift
    tar -czf "$work/$name" "$@"
    size=$(stat -c %s "$work/$name")
    if ((size > MAX_FILE_MIB << 20)); then
        reason="more than $MAX_FILE_MIB MiB"
    elif ((files == MAX_FILES)); then
        reason="$MAX_FILES files are packed"
    elif ((bytes + size > MAX_TOTAL_MIB << 20)); then
        reason="would make more than $MAX_TOTAL_MIB MiB"
    fi
    if [[ -n $reason ]]; then
        echo "left out $name ($((size >> 10)) KiB): $reason"
        rm "$work/$name"
    else
        mv "$work/$name" "$out/$name"
        files=$((files + 1)) bytes=$((bytes + size))
        echo "packed $name ($((size >> 10)) KiB)"
    fi
}

# Everything small that a complete slice gave: no images, no weights.
pack_products() {
    local paper=${1%/*} view=${1#*/} members
    mapfile -t members < <(find $(products "$1") $(records "$1") \
        "results/$SCALE/$paper/history/$view" \
        "benchmarks/$SCALE/$paper"/{images,train}/"$view" \
        "logs/$SCALE/$paper/train/$view" \
        -type f -name '[!.]*' 2>/dev/null)
    pack "$paper.$view.tar.gz" "${members[@]}"
}

# Trained networks: weights, history, benchmark and log of each.
pack_networks() {
    local paper=${1%/*} view=${1#*/} network members
    for network in $(trained "$1"); do
        mapfile -t members < <(find \
            "results/$SCALE/$paper/weights/$view/$network.pt" \
            "results/$SCALE/$paper/history/$view/$network.jsonl" \
            "benchmarks/$SCALE/$paper/train/$view/$network.tsv" \
            "logs/$SCALE/$paper/train/$view/$network.log" 2>/dev/null)
        pack "$paper.$view.$network.tar.gz" "${members[@]}"
    done
}

# What matters most comes first: results, then the weights that a next call goes on with.
for slice in "$@"; do ! complete "$slice" || pack_products "$slice"; done
for slice in "$@"; do complete "$slice" || pack_networks "$slice"; done
for slice in "$@"; do ! complete "$slice" || pack_networks "$slice"; done

echo
for slice in "$@"; do
    if complete "$slice"; then
        echo "$slice: complete"
    else
        status=$((status ? status : 1))
        echo "$slice: not complete; trained so far: $(trained "$slice" | xargs)"
    fi
done
exit "$status"
