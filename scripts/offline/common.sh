# What the scripts beside this file share. To be sourced in the root of the checkout.

# The scale that the config asks for: the folder under results/, benchmarks/ and logs/.
SCALE=$(awk '/^scale:/ {name = $2} END {print name}' config/config.yaml ${CONFIG:+"$CONFIG"})

# Is a slice READING/VIEW there: its metrics, and every prediction that they measure?
complete() {
    local results=results/$SCALE/${1%/*} view=${1#*/} estimate
    local metrics=$results/metrics/$view.csv
    [[ -s $metrics ]] || return 1
    while read -r estimate; do
        [[ -s $results/predictions/$view/$estimate.h5 ]] || return 1
    done < <(awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) column[$i] = i; next}
        {print $column["estimate"] "_seed" $column["seed"]}' "$metrics" | sort -u)
}

# Names of the networks of a slice that are trained.
trained() {
    find "results/$SCALE/${1%/*}/weights/${1#*/}" -name '[!.]*.pt' -printf '%f\n' 2>/dev/null |
        sed 's/\.pt$//' | sort
}
