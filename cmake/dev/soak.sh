# ./dev soak: runs of minutes and hours. Read by dev.

help_soak() {
    cat <<'END'
usage: ./dev soak [storm | fuzz | live | tap] [--minutes N]
       ./dev soak storms [--minutes N | --seeds N] [--first SEED]

Runs for N minutes (10 unless told).
  storm   transfers over simulated networks that lose, reorder, duplicate and corrupt; new seeds all the time (the default)
  storms  the same optimised, with all faults there are: boxes that change packets, routers with small links, sleeping readers, resets,
          simultaneous opens and closes, cookies, Fast Open, names used again; at the end it says how often each came. Seeds from
          SEED on, for so long or so many; a seed that fails is named with the command that repeats it
  fuzz    every parser under libFuzzer, an equal share of the time each; findings stay in build/fuzz/findings
  live    a gigabyte between two real nodes while its flow changes its congestion module ten times, again and again
  tap     the kernel's curl fetches 1 GiB from `weft tap`, over IPv4 and IPv6, TAP and TUN, with vnet_hdr and without, as often as the
          time allows, at least once; needs root
END
}

command_soak() {
    local kind=storm minutes=10 seeds='' first=''
    while (($#)); do
        case $1 in
        storm | storms | fuzz | live | tap) kind=$1 ;;
        --seeds | --first)
            [[ ${2:-} =~ ^[1-9][0-9]{0,17}$ ]] || usage_error "$1 takes a whole number above 0" "soak --help"
            if [[ $1 == --seeds ]]; then seeds=$2; else first=$2; fi
            shift
            ;;
        --minutes)
            [[ ${2:-} =~ ^[1-9][0-9]{0,4}$ ]] || usage_error "--minutes takes a whole number above 0" "soak --help"
            minutes=$2
            shift
            ;;
        *) usage_error "soak knows storm, storms, fuzz, live and tap, not $1" "soak --help" ;;
        esac
        shift
    done
    [[ $kind == storms || -z $seeds$first ]] || usage_error "--seeds and --first are of soak storms" "soak --help"
    "soak_$kind" "$((minutes * 60))"
}

soak_tap() {
    local end=$((SECONDS + $1))
    need "${test_packages[@]}"
    build asan test_interop
    build release weft
    while :; do
        WEFT_TAP_MEGABYTES=1024 WEFT_TAP_PROGRAM=build/release/node/weft \
            build/asan/tests/interop/test_interop --gtest_brief=1 --gtest_filter='*CurlFetches*' ||
            fail 1 "a file did not come whole"
        ((SECONDS < end)) || break
    done
    say "soak: ok"
}

# Rounds of new seeds until the time is up; a fault names its seed and how to meet it again.
soak_storm() {
    local end=$((SECONDS + $1)) first round=200 shard pids pid failed=0
    first=$(date +%s)000
    need "${test_packages[@]}"
    build asan test_sim
    say "soak: storm from seed $first"
    while ((SECONDS < end && failed == 0)); do
        pids=()
        for ((shard = 0; shard < jobs; ++shard)); do
            WEFT_FIRST_SEED=$((first + shard * round)) WEFT_SEEDS=$round build/asan/tests/sim/test_sim --gtest_brief=1 \
                --gtest_filter='Seeds/Storm.*' >"$scratch/storm.$shard.log" 2>&1 &
            pids+=($!)
        done
        children+=("${pids[@]}")
        for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
        children=()
        ((failed == 1)) || first=$((first + jobs * round))
        say "soak: storm reached seed $first"
    done
    ((failed == 0)) || { tail -n 30 "$scratch"/storm.*.log >&2; fail 1 "the storm found a fault"; }
    say "soak: ok"
}

# Each of `jobs` takes every so many seeds of a round; what came about is added up from what they print.
soak_storms() {
    local end=$((SECONDS + $1)) round=500 next=${first:-$(date +%s)000} began=$SECONDS done=0 job pids pid failed=0 many
    need "${test_packages[@]}"
    build soak test_sim
    say "soak: storms from seed $next"
    rm -f "$scratch"/storms.*
    while ((failed == 0)) && { [[ $seeds ]] && ((done < seeds)) || { [[ -z $seeds ]] && ((SECONDS < end)); }; }; do
        pids=()
        for ((job = 0; job < jobs; ++job)); do
            many=$round
            if [[ $seeds ]] && ((seeds - done < round)); then many=$((seeds - done)); fi
            ((many > 0)) || break
            WEFT_FIRST_SEED=$next WEFT_SEEDS=$many build/soak/tests/sim/test_sim --gtest_brief=1 \
                --gtest_filter='Storms.*' >"$scratch/storms.$next" 2>&1 &
            pids+=($!)
            next=$((next + many)) done=$((done + many))
        done
        children+=("${pids[@]}")
        for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
        children=()
        ((done % 10000 >= jobs * round)) || say "soak: storms, $done seeds, $((done / (SECONDS - began + 1))) a second"
    done
    sed -n 's/^storms: \+\([0-9]\+\) \(.*\)$/\1 \2/p' "$scratch"/storms.* |
        awk '/ seeds from / { next } { n = $1; $1 = ""; all[$0] += n } END { for (name in all) printf "%14d%s\n", all[name], name }' | sort -k 2
    say "soak: storms, $done seeds up to $((next - 1)) in $((SECONDS - began)) s"
    ((failed == 0)) || { grep -h -A 3 -E '^seed|Failure|broken' "$scratch"/storms.* | head -n 40 >&2; fail 1 "the storms found a fault"; }
    say "soak: ok"
}

soak_live() {
    local end=$((SECONDS + $1)) rounds=0
    need "${test_packages[@]}"
    build asan test_node_process
    while ((SECONDS < end)); do
        WEFT_LIVE_BYTES=1000000000 build/asan/tests/node/process/test_node_process --gtest_brief=1 \
            --gtest_filter='PluginProcesses.TenChanges*' >"$scratch/live.log" 2>&1 ||
            { tail -n 40 "$scratch/live.log" >&2; fail 1 "a byte or a change was lost"; }
        rounds=$((rounds + 1))
        say "soak: live, $rounds GB"
    done
    say "soak: ok"
}

soak_fuzz() {
    local seconds=$1 source name targets=() failed=0
    for source in tests/fuzz/*_fuzz.cc; do
        source=${source##*/}
        targets+=("${source%_fuzz.cc}")
    done
    need "${fuzz_packages[@]}"
    build fuzz "${targets[@]/#/fuzz_}"
    mkdir -p build/fuzz/findings
    for name in "${targets[@]}"; do
        say "soak: $name for $((seconds / ${#targets[@]})) s"
        mkdir -p "build/fuzz/corpus/$name"
        if ! "build/fuzz/tests/fuzz/fuzz_$name" -max_total_time=$((seconds / ${#targets[@]})) -timeout=10 -rss_limit_mb=2048 \
            -artifact_prefix="build/fuzz/findings/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" \
            >"$scratch/fuzz.log" 2>&1; then
            tail -n 40 "$scratch/fuzz.log" >&2
            failed=1
        fi
        grep -E '^(Done|stat::number_of_executed_units)' "$scratch/fuzz.log" >&2 || true
    done
    ((failed == 0)) || fail 1 "a parser failed; the inputs are in build/fuzz/findings"
    say "soak: ok, ${#targets[@]} parsers"
}
