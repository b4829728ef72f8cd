#!/usr/bin/env bash
# Unpack what run_slice.sh packed into results/, benchmarks/ and logs/ of this checkout, and say
# what is done and what is left. An archive that would change a file that is here is refused.
#
#   scripts/offline/unpack.sh [--force] TAR...
#
# Environment: CONFIG overlay (none, that is paper scale), PYTHON with Snakemake (python3).
set -euo pipefail

force=''
[[ ${1:-} != --force ]] || {
    force=1
    shift
}
(($#)) || {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
tars=()
for tar in "$@"; do tars+=("$(realpath -e "$tar")"); done
cd "$(dirname "$0")/../.."
source scripts/offline/common.sh

touch "$work/now" # one age for all: nothing looks older than what it was made from
status=0
for tar in "${tars[@]}"; do
    stage=$work/$(basename "$tar")
    mkdir -p "$stage"
    tar -xzf "$tar" -C "$stage"
    foreign=$(cd "$stage" && find . -type f | grep -vE '^\./(results|benchmarks|logs)/' || true)
    new=() different=()
    while read -r file; do
        if [[ ! -e $file ]]; then
            new+=("$file")
        elif ! cmp -s "$stage/$file" "$file"; then
            different+=("$file")
        fi
    done < <(cd "$stage" && find . -type f -printf '%P\n')
    if [[ -n $foreign ]]; then
        echo "refused $tar: not packed by run_slice.sh, it holds $(xargs <<<"$foreign")" >&2
        status=1
    elif ((${#different[@]})) && [[ -z $force ]]; then
        echo "refused $tar: other versions are here (--force replaces them) of" >&2
        printf '  %s\n' "${different[@]}" >&2
        status=1
    else
        for file in "${new[@]}" "${different[@]}"; do
            mkdir -p "$(dirname "$file")"
            touch -r "$work/now" "$stage/$file"
            cp --preserve=timestamps "$stage/$file" "$file"
        done
        echo "unpacked $(basename "$tar"): ${#new[@]} new, ${#different[@]} replaced"
    fi
done

((status == 0)) || exit $status

echo
list_slices
for slice in $(slices); do
    if complete "$slice"; then
        echo "$slice: complete"
    elif [[ -n $(trained "$slice") ]]; then
        echo "$slice: to do, with $(trained "$slice" | xargs) trained: bring along" \
            "results/$SCALE/${slice%/*}"/{weights,history}"/${slice#*/}"
    else
        echo "$slice: to do"
    fi
done
