# ./dev demo: real nodes on this machine, a file between them, and the window on it. Read by dev.

help_demo() {
    cat <<'END'
usage: ./dev demo [--headless] [--nodes N] [--file PATH]

Builds the daemon and the command line, starts two nodes with keys of their own on loopback UDP, sends PATH (or a file of
64 MiB made for it) from one 512-bit address to the other through weft's own TCP, and compares what arrived by SHA-256.
With more nodes they stand in a line and only neighbours know each other: static routes lead from end to end, labels carry
the session, and the nodes between forward what they cannot read.
The last line of figures reads: demo: ok bytes=N sha256=HEX seconds=S mbit_per_s=X

Where there is a display, the window (weft-gui) opens on the sending node before the transfer begins, and is the demo's length: the file
is sent again and again until it is closed. So that there is something to see, the way then takes 10 ms and loses one packet in
5,000. Without a display the demo ends by itself, with a picture of the window if Qt is installed.
Either way what happened in the nodes is in recordings: build/demo/left.weft, build/demo/right.weft (and those between). However long the window
stays open, each holds its first 256 MB and then ends in order.
  --headless   no window, even where there is a display; nothing of Qt is installed
  --nodes N    2 to 16 (2 unless told)
Exit codes: 0, 1 the transfer failed, 2 usage or no such file.
END
}

# Which picture the demo ends with: `window` where there is a display, and Qt is there or may be installed; `screenshot`
# where Qt is there anyway; else `none`.
choose_picture() { # choose_picture HEADLESS
    if [[ ! $1 && ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]]; then
        local packages=("${gui_packages[@]}")
        if [[ ! ${DISPLAY:-} ]]; then packages+=(qt6-wayland); fi
        if (need "${packages[@]}"); then
            echo window
            return
        fi
        say "demo: Qt is not there; so no window"
    fi
    if present qt6-base-dev; then echo screenshot; else echo none; fi
}

command_demo() {
    local file='' nodes=2 headless='' picture targets=(weftd weft)
    while (($#)); do
        case $1 in
        --headless) headless=1 ;;
        --nodes)
            (($# >= 2)) || usage_error "--nodes takes a number" "demo --help"
            nodes=$2
            shift
            ;;
        --nodes=*) nodes=${1#--nodes=} ;;
        --file)
            (($# >= 2)) || usage_error "--file takes a path" "demo --help"
            file=$2
            shift
            ;;
        --file=*) file=${1#--file=} ;;
        *) usage_error "demo has no option $1" "demo --help" ;;
        esac
        shift
    done
    [[ $nodes =~ ^[0-9]{1,2}$ ]] && ((10#$nodes >= 2 && 10#$nodes <= 16)) ||
        usage_error "--nodes takes a number from 2 to 16, not $nodes" "demo --help"
    if [[ $file ]]; then
        if [[ $file != /* ]]; then file=$called_from/$file; fi
        [[ -e $file ]] || demo_fail_usage "no such file: $file"
        [[ -f $file ]] || demo_fail_usage "not a regular file: $file"
        [[ -r $file ]] || demo_fail_usage "not readable: $file"
    fi
    if [[ ${WEFT_DEMO_BUILD:-} ]]; then # a build folder that is up to date: a test's
        picture=none
        [[ ! -x $WEFT_DEMO_BUILD/gui/weft-gui ]] || picture=screenshot
    else
        need "${build_packages[@]}"
        picture=$(choose_picture "$headless")
        configure release
        # A Qt that is there may still not be enough for the window.
        ninja -C build/release -t query weft-gui >"$scratch/query.log" 2>&1 || picture=none
        [[ $picture == none ]] || targets+=(weft-gui)
        build release "${targets[@]}"
    fi
    run_demo "$file" "$((10#$nodes))" "${WEFT_DEMO_BUILD:-build/release}" "$picture"
}

demo_fail_usage() {
    say "demo: $1"
    exit 2
}

# Says what failed, shows how the logs end, and leaves; the trap ends the nodes and removes their files.
demo_failed() {
    local log
    say "demo: failed: $*"
    for log in "$scratch"/*.log; do
        [[ -s $log ]] || continue
        say "--- ${log##*/}"
        tail -n 15 "$log" >&2
    done
    exit 1
}

# A UDP port of loopback that nobody has; below the kernel's own choices, so that it stays free.
free_port() {
    local port
    while :; do
        port=$((10240 + (RANDOM << 4 ^ RANDOM) % 20000))
        grep -qi ":$(printf '%04X' "$port") " /proc/net/udp /proc/net/udp6 2>/dev/null || break
    done
    echo "$port"
}

# write_config I: node I of `names`, who knows its neighbours in the line and a next hop towards each end.
write_config() {
    local i=$1 end neighbour last=$((${#names[@]} - 1))
    {
        cat <<END
[node]
name = "${names[i]}"
key = "$scratch/${names[i]}.key"

[network]
name = "demo"
work = 0

[listen]
udp = ["127.0.0.1:${ports[i]}"]

[transit]
rate = "unlimited"

[tcp]
user_timeout = "20s"
END
        if [[ $picture == window ]]; then printf '\n[fault]\ndelay = "10ms"\nloss = "0.02%%"\nseed = %s\n' "$((i + 1))"; fi
        for neighbour in $((i - 1)) $((i + 1)); do
            ((neighbour >= 0 && neighbour <= last)) || continue
            printf '\n[[peer]]\nname = "%s"\naddress = "%s"\nendpoints = ["127.0.0.1:%s"]\n' "${names[neighbour]}" \
                "${addresses[neighbour]}" "${ports[neighbour]}"
        done
        for end in 0 "$last"; do
            if ((end == i || end == i - 1 || end == i + 1)); then continue; fi
            printf '\n[[route]]\nto = "%s"\nvia = "%s"\n' "${addresses[end]}" "${names[end < i ? i - 1 : i + 1]}"
        done
    } >"$scratch/${names[i]}.toml"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >"$scratch/wait.log" 2>&1; do
        ((SECONDS <= end)) || return 1
        sleep 0.05
    done
    rm -f "$scratch/wait.log"
}

start_node() {
    "$bin/weftd" -f "$scratch/$1.toml" >"$scratch/$1.log" 2>&1 &
    children+=($!)
    wait_for 10 "$bin/weft" --node "$1" status || demo_failed "node $1 did not come up"
}

# The first number under a key in the JSON on stdin.
json_number() { grep -oE "\"$1\": ?[0-9]+" | head -n 1 | grep -oE '[0-9]+$'; }

# The way from the first node to the last; a line of nodes takes a moment until all its links are up.
show_path() {
    if ((nodes == 2)); then return; fi
    wait_for 15 "$bin/weft" --node left path "${addresses[nodes - 1]}" || demo_failed "no path to the far end"
    "$bin/weft" --node left path "${addresses[nodes - 1]}" || demo_failed "the path is gone"
}

# What the nodes between the ends carried by labels, which they could not read.
show_forwarded() {
    local labels
    for ((i = 1; i < nodes - 1; ++i)); do
        labels=$("$bin/weft" --node "${names[i]}" labels --json 2>"$scratch/labels.log") ||
            demo_failed "node ${names[i]} does not answer"
        printf '%-9s forwarded %s packets, %s bytes by labels\n' "${names[i]}" "$(json_number forwarded <<<"$labels")" \
            "$(json_number forwarded_bytes <<<"$labels")"
        (($(json_number forwarded_bytes <<<"$labels") >= size)) || demo_failed "the file did not go through ${names[i]}"
    done
}

# show_counters NODE TITLE
show_counters() {
    local status
    status=$("$bin/weft" --node "$1" status --json 2>"$scratch/status.log") || demo_failed "node $1 does not answer"
    printf '%-9s %s datagrams, %s bytes out; %s datagrams, %s bytes in; %s segments retransmitted\n' "$2" \
        "$(json_number datagrams_out <<<"$status")" "$(json_number '(udp_)?bytes_out' <<<"$status")" \
        "$(json_number datagrams_in <<<"$status")" "$(json_number '(udp_)?bytes_in' <<<"$status")" \
        "$(json_number retransmitted_segments <<<"$status")"
}

# Has each node's events written to $out/NAME.weft from now on.
start_recording() {
    local name
    for name in "${names[@]}"; do
        "$bin/weft" --node "$name" record -o "$out/$name.weft" --overwrite --limit "$recorded_at_most" \
            >"$scratch/$name.record.log" 2>&1 &
        recorders+=($!)
        children+=($!)
        wait_for 10 grep -q "recording to" "$scratch/$name.record.log" || demo_failed "node $name is not recorded"
    done
}

# A recording is whole when its writer has ended.
end_recording() {
    local pid name
    for pid in "${recorders[@]}"; do ! running "$pid" || kill "$pid" 2>/dev/null || true; done
    for pid in "${recorders[@]}"; do
        wait "$pid" || demo_failed "a recording did not end in order"
        forget "$pid"
    done
    for name in "${names[@]}"; do
        [[ -s $out/$name.weft ]] || demo_failed "$out/$name.weft is empty"
        printf 'recorded  %s (%s bytes%s)\n' "$out/$name.weft" "$(stat -c %s "$out/$name.weft")" \
            "$(grep -q -- --limit "$scratch/$name.record.log" && echo ", the beginning: a recording of the demo ends at $recorded_at_most")"
    done
}

window_came_or_went() { grep -q first-frame "$scratch/window.log" || ! running "$window"; }

# Opens the window on the sending node; without it the demo goes on as if there were no display.
open_window() {
    "$gui" --node left --tell-first-frame >"$scratch/window.log" 2>&1 &
    window=$!
    children+=("$window")
    if wait_for 20 window_came_or_went && grep -q first-frame "$scratch/window.log"; then return; fi
    say "demo: the window did not open: $(tail -n 1 "$scratch/window.log")"
    end_window
    picture=screenshot
}

# One transfer, checked; its summary goes to $summary.
transfer() {
    local receiver
    rm -f "$scratch/received" "$scratch/receiver.log" # the last one's would say that this one listens
    "$bin/weft" --node right nc -l 7000 -w 60 --output "$scratch/received" --sha256 --summary 2>"$scratch/receiver.log" &
    receiver=$!
    children+=("$receiver")
    wait_for 10 grep -q "listening on" "$scratch/receiver.log" || demo_failed "the receiver does not listen"
    "$bin/weft" --node left nc "${addresses[nodes - 1]}" 7000 -w 60 --input "$file" >"$scratch/sender.log" 2>&1 </dev/null ||
        demo_failed "the sender ended with exit code $?"
    wait "$receiver" || demo_failed "the receiver ended with exit code $?"
    forget "$receiver"
    summary=$(grep -E '^bytes=[0-9]+ sha256=[0-9a-f]{64} seconds=[0-9.]+ mbit_per_s=[0-9.]+$' "$scratch/receiver.log") ||
        demo_failed "the receiver said no summary"
    [[ $summary == "bytes=$size sha256=$sent "* ]] || demo_failed "sent bytes=$size sha256=$sent, received $summary"
}

# Again and again, until the window is closed; what is under way then is left to its end.
transfer_while_open() {
    printf 'The window shows node left. The file is sent again until you close it; the recordings end at %s each.\n' "$recorded_at_most"
    while running "$window"; do
        transfer
        sleep 1
    done
    end_window
}

end_window() {
    ! running "$window" || kill "$window" 2>/dev/null || true
    wait "$window" 2>/dev/null || true
    forget "$window"
    window=''
}

# A picture of the recording: of the flow that carried the file, as it ended. The transfer counts, also without it.
take_picture() {
    if ! timeout 60 "$gui" --open "$out/left.weft" --at end --size 1280x800 --screenshot "$out/left.png" \
        >"$scratch/picture.log" 2>&1; then
        say "demo: no picture could be made of $out/left.weft: $(tail -n 1 "$scratch/picture.log")"
        return
    fi
    printf 'picture   %s\n' "$out/left.png"
}

run_demo() {
    local file=$1 nodes=$2 bin=$3/node gui=$3/gui/weft-gui picture=$4 size sent i out=${WEFT_DEMO_OUT:-build/demo}
    local names=() addresses=() ports=() recorders=() window='' summary recorded_at_most=256MB
    if [[ -z $file ]]; then
        file=$scratch/made.bin
        head -c $((64 * 1024 * 1024)) /dev/urandom >"$file"
    fi
    size=$(stat -L -c %s -- "$file")
    sent=$(sha256sum <"$file" | cut -d ' ' -f 1)

    export WEFT_RUNTIME_DIR=$scratch/run
    mkdir -m 700 "$scratch/run"
    mkdir -p "$out"
    rm -f "$out"/{left,right,hop*}.{weft,png}
    for ((i = 0; i < nodes; ++i)); do
        names[i]=hop$i
        if ((i == 0)); then names[i]=left; elif ((i == nodes - 1)); then names[i]=right; fi
        addresses[i]=$("$bin/weft" -q key gen -o "$scratch/${names[i]}.key" 2>"$scratch/key.log") ||
            demo_failed "no key for ${names[i]}"
        ports[i]=$(free_port)
        while [[ " ${ports[*]:0:i} " == *" ${ports[i]} "* ]]; do ports[i]=$(free_port); done
    done
    for ((i = 0; i < nodes; ++i)); do write_config "$i"; done
    for ((i = 0; i < nodes; ++i)); do start_node "${names[i]}"; done
    printf 'from      %s\nto        %s\n' "${addresses[0]}" "${addresses[nodes - 1]}"
    show_path
    start_recording
    if [[ $picture == window ]]; then open_window; fi

    transfer
    show_counters left sender
    if ((nodes > 2)); then show_forwarded; fi
    show_counters right receiver
    printf 'demo: ok %s\n' "$summary"
    if [[ $window ]]; then transfer_while_open; fi
    end_recording
    if [[ $picture == screenshot ]]; then take_picture; fi
    if [[ ${WEFT_DEMO_KEEP:-} ]]; then cp "$scratch"/*.{key,toml,log} "$WEFT_DEMO_KEEP"; fi # for who searches them
    printf '%s\n' "Try next:" "  $bin/weft trace $out/left.weft 'tcp.state == ESTABLISHED'" "  ./dev demo --headless --file README.md" \
        "  ./dev demo --nodes 4" "  build/release/node/weft --help" "  ./dev test"
}
