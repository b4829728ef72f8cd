# What the scripts beside this file share. To be sourced in the root of the checkout.

# The scale that the config asks for: the folder under results/, benchmarks/ and logs/.
SCALE=$(awk '/^scale:/ {gsub(/["\x27]/, "", $2); name = $2} END {print name}' config/config.yaml ${CONFIG:+"$CONFIG"})
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Ask the workflow what each slice is to give, for `products` and all below it. Lines SLICE FILE:
# of scutt predictions and metrics of a view, of pearson2019 predictions, of whatever view, by the
# networks trained on a view, and catalogues of the lenses in figures 1-4.
list_slices() {
    local of=results/$SCALE
    "${PYTHON:-python3}" -m snakemake --nolock --summary ${CONFIG:+--configfile "$CONFIG"} \
        -- all 2>"$work/log" >"$work/files" || {
        cat "$work/log" >&2
        echo "${0##*/}: Snakemake could not tell which slices there are" >&2
        exit 2
    }
    cut -f1 "$work/files" | sed -nE "
        s,^$of/(scutt[^/]*)/predictions/([^/]+)/.*,\1/\2 &,p
        s,^$of/(scutt[^/]*)/metrics/([^/]+)\.csv$,\1/\2 &,p
        s,^$of/pearson2019/predictions/[^/]+/(.+)_seed[0-9]+\.h5$,pearson2019/\1 &,p
        s,^$of/pearson2019/population/(euclid|lsst)(_literal)?/test/.*,pearson2019/population &,p
    " >"$work/products"
}

slices() { cut -d' ' -f1 "$work/products" | sort -u; }

# Files that a slice is to give; no name has a space.
products() { awk -v slice="$1" '$1 == slice {print $2}' "$work/products"; }

# Is all there that a slice is to give?
complete() {
    local file
    for file in $(products "$1"); do
        [[ -s $file ]] || return 1
    done
}

# Names of the networks of a slice that are trained.
trained() {
    find "results/$SCALE/${1%/*}/weights/${1#*/}" -name '[!.]*.pt' -printf '%f\n' 2>/dev/null |
        sed 's/\.pt$//' | sort
}
