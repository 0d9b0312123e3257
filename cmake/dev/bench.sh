# ./dev bench: benchmarks, and the peers beside them. Read by dev.

help_bench() {
    cat <<'END'
usage: ./dev bench NAME [--json] [OPTION...]

Builds a benchmark optimised and runs it beside its peer; further options go to it. With --json nothing but one JSON object
a line on stdout: {bench, case, unit, weft, peer, peer_value, ratio}; ratio is the median over the rounds, above 1 means
weft is better. A peer that is not installed is unpacked into build/peers, never installed.

END
    printf 'benchmarks:'
    benchmarks
}

benchmarks() {
    local source
    for source in bench/*_bench.cc bench/gui/*_bench.cc; do
        source=${source##*/}
        printf ' %s' "${source%_bench.cc}"
    done
    printf '\n'
}

# Unpacks Debian packages into build/peers: nothing is installed and no service starts.
unpack_peer() {
    local package
    mkdir -p build/peers
    for package in "$@"; do
        [[ ! -e build/peers/$package.unpacked ]] || continue
        say "dev: unpacking $package into build/peers"
        (cd "$scratch" && apt-get -qq download "$package" && dpkg -x "$package"_*.deb "$root/build/peers") \
            >"$scratch/peer.log" 2>&1 || return 1
        : >"build/peers/$package.unpacked"
    done
}

# Says where iperf3 is; a benchmark without its peer still runs, and says so.
find_iperf3() {
    if command -v iperf3; then return; fi
    if ! unpack_peer libsctp1 libiperf0 iperf3; then
        say "dev: iperf3 could not be fetched (its lists may need: apt-get update); running without a peer"
        return
    fi
    cat >build/peers/iperf3 <<END
#!/bin/sh
LD_LIBRARY_PATH=$(echo "$root"/build/peers/usr/lib/*-linux-gnu) exec "$root/build/peers/usr/bin/iperf3" "\$@"
END
    chmod +x build/peers/iperf3
    echo "$root/build/peers/iperf3"
}

# Builds a program of bench/lwip and says where it is; without it that peer is left out.
find_lwip() {
    local program=$1 flags=("-I$root" -I/usr/include/lwip)
    if [[ ! -e /usr/include/lwip/lwip/tcp.h ]]; then
        if ! unpack_peer liblwip0 liblwip-dev; then
            say "dev: lwIP could not be fetched (its lists may need: apt-get update); running without that peer"
            return
        fi
        local lib
        lib=$(echo "$root"/build/peers/usr/lib/*-linux-gnu)
        flags=("-I$root" "-I$root/build/peers/usr/include/lwip" "-L$lib" "-Wl,-rpath,$lib")
    fi
    mkdir -p build/peers
    if cc -O2 -o "build/peers/$program" "bench/lwip/$program.c" "${flags[@]}" -llwip 2>"$scratch/lwip.log"; then
        echo "$root/build/peers/$program"
    else
        say "dev: $program did not compile; running without that peer"
    fi
}

command_bench() {
    local name=${1:-}
    [[ -n $name ]] || usage_error "bench takes the name of a benchmark:$(benchmarks)" "bench --help"
    [[ $name != */* && (-e bench/${name}_bench.cc || -e bench/gui/${name}_bench.cc) ]] || usage_error "no such benchmark: $name; there are:$(benchmarks)" "bench --help"
    shift
    local iperf3='' lwip='' program=build/release/bench/bench_$name
    need "${build_packages[@]}"
    if [[ -e bench/gui/${name}_bench.cc ]]; then
        need "${gui_packages[@]}"
        program=build/release/bench/gui/bench_$name
    fi
    build release "bench_$name" weftd weft
    case $name in
    tap) lwip=$(find_lwip lwip_peer) ;;
    tcp) lwip=$(find_lwip lwip_memory) ;;
    udp) iperf3=$(find_iperf3) ;;
    esac
    rm -rf "$scratch"
    WEFT_IPERF3=$iperf3 WEFT_LWIP=$lwip exec "$program" "$@"
}
