#!/usr/bin/env bash
# Breaks one rule of the stack after another, as table.tsv says, and runs the tests of that rule: each break must be caught. Nothing
# in the tree is changed: a broken file lies in front of the include path, in a build folder of its own (build/mutants). Caught is what
# a failed expectation tells; a row whose tests cannot end says so in a sixth column, `timeout`. A crash is no answer.
# usage: tests/rfc/mutants/run.sh [--list | PATTERN]: all of them, or those whose row holds PATTERN
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cd "$root" || exit 1
build=build/mutants
base=$build/base
jobs=${WEFT_JOBS:-$(nproc)}
pattern=${1:-}
compiler=${CXX:-c++}
if [[ $pattern == --list ]]; then
    grep -v '^#' tests/rfc/mutants/table.tsv | cut -f 1,2,5 | column -t -s $'\t'
    exit
fi
# Optimising takes longer than the tests do without it.
flags=(-std=c++23 -O0 -g0 -w -I. "-DWEFT_SOURCE_DIR=\"$root\"" "-DWEFT_BINARY_DIR=\"$root/$build\"")
linker=()
if command -v ld.gold >/dev/null; then linker=(-fuse-ld=gold); fi

# ---- the stack and its tests as they stand: a file that is made has beside it, in .d, the list of what it is made of ----

mkdir -p "$base"
mapfile -t stack < <(ls stack/{core,wire,tcp,net,engine}/*.cc)
mapfile -t tests < <(ls tests/rfc/*_test.cc tests/rfc/page.cc tests/tcp/peer.cc)
object_of() { printf '%s.o' "${1//\//_}"; }
fresh() { # fresh MADE: newer than all that it is made of
    local part
    [[ -e $1 && -e $1.d ]] || return 1
    for part in $(sed 's/\\$//; s/^[^:]*: //' "$1.d"); do
        [[ -e $part && ! $part -nt $1 ]] || return 1
    done
}
make() { # make MADE COMMON OPTION...: by the compiler; COMMON: a header that is precompiled, which the compiler's list leaves out, or nothing
    $compiler ${2:+-include "$2"} "${@:3}" "${flags[@]}" -MMD -MF "$1.d" -o "$1.new" || return 1
    if [[ $2 ]]; then echo " $2.gch" >>"$1.d"; fi
    mv "$1.new" "$1"
}
# What nearly every source of stack/tcp and stack/engine includes, and every test. (Below them it would be a dependence that is not.)
common_of_stack() { printf '#include "stack/%s"\n' tcp/connection.h engine/state.h; }
common_of_tests() { printf '#include %s\n' '<gtest/gtest.h>' '<map>' '<optional>' '<random>' '<string>' '<vector>' '"tests/tcp/peer.h"'; }
common_of() {
    case $1 in
    tests/*) echo tests ;;
    stack/tcp/* | stack/engine/*) echo stack ;;
    esac
}
precompile() { # precompile FOLDER stack|tests OPTION...
    [[ $("common_of_$2") == "$(cat "$1/$2.h" 2>/dev/null)" ]] || "common_of_$2" >"$1/$2.h"
    fresh "$1/$2.h.gch" || make "$1/$2.h.gch" '' "${@:3}" -x c++-header "$1/$2.h"
}
echo "mutants: building the tests as they stand"
precompile "$base" stack && precompile "$base" tests || exit 1
for source in "${stack[@]}" "${tests[@]}"; do
    object=$base/$(object_of "$source")
    fresh "$object" && continue
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n || exit 1; done
    common=$(common_of "$source")
    make "$object" "${common:+$base/$common.h}" -c "$source" &
done
for job in $(jobs -p); do wait "$job" || { echo "mutants: what stands does not compile"; exit 1; }; done
link() { # link PROGRAM FOLDER: objects of FOLDER in the place of their namesakes
    local objects=() source object
    for source in "${stack[@]}" "${tests[@]}"; do
        object=$(object_of "$source")
        if [[ -e $2/$object ]]; then objects+=("$2/$object"); else objects+=("$base/$object"); fi
    done
    $compiler "${linker[@]}" "${objects[@]}" -lgtest -lgtest_main -lpthread -o "$1"
}
link "$base/test_rfc" "$base" || exit 1
"$base/test_rfc" --gtest_brief=1 >"$base/log" 2>&1 || { tail "$base/log"; echo "mutants: the tests fail as they stand"; exit 1; }

# ---- one row: 0 caught, 1 not --------------------------------------------------------------------------------------

# What a broken file is part of: a source itself, or the sources of the stack that include a header. A test sees the header as it
# stands: nothing is inlined, so that of a function in it the broken one is linked, which comes first.
broken_sources() { # broken_sources FILE
    local source lists
    if [[ $1 == *.cc ]]; then echo "$1" && return; fi
    for source in "${stack[@]}"; do
        lists=("$base/$(object_of "$source").d")
        [[ -z $(common_of "$source") ]] || lists+=("$base/stack.h.gch.d")
        ! grep -qE "(^| )$1( |\$)" "${lists[@]}" || echo "$source"
    done
}
mutant() {
    local number=$1 rule=$2 file=$3 stands=${4//\\n/$'\n'} broken=${5//\\n/$'\n'} named=$6 ends=$7 place=$build/$1 common of text rest source
    [[ $broken == '(nothing)' ]] && broken=
    text=$(<"$file")
    rest=${text#*"$stands"}
    if [[ $rest == "$text" ]]; then echo "$rule: $file has no such text any more: $4"; return 1; fi
    if [[ $rest == *"$stands"* ]]; then echo "$rule: $file has this text twice: $4"; return 1; fi
    "$base/test_rfc" --gtest_filter="$named" --gtest_list_tests | grep -q '^ ' || { echo "$rule: no test is called $named"; return 1; }
    rm -rf "$place"
    mkdir -p "$place/$(dirname "$file")"
    printf '%s\n' "${text%%"$stands"*}$broken$rest" >"$place/$file"
    of=$base
    if [[ $file == *.h ]]; then of=$place && precompile "$place" stack "-I$place" 2>"$place/log"; fi
    for source in $(broken_sources "$file"); do
        common=$(common_of "$source")
        if ! make "$place/$(object_of "$source")" "${common:+$of/$common.h}" "-I$place" \
            -c "$(ls "$place/$source" 2>/dev/null || echo "$source")" 2>"$place/log"; then
            echo "$rule: the broken $file does not compile"
            head -n 3 "$place/log"
            return 1
        fi
    done
    link "$place/test_rfc" "$place" || return 1
    local code=0
    (ulimit -v 4000000 && timeout 30 "$place/test_rfc" --gtest_filter="$named" --gtest_brief=1) >"$place/log" 2>&1 || code=$?
    rm -rf "$place"
    case $code:$ends in
    1:) echo "$rule: caught by $named" ;;
    124:timeout) echo "$rule: caught by timeout of $named" ;;
    0:*) echo "$rule: NOT CAUGHT by $named: $file: $4" && return 1 ;;
    124:*) echo "$rule: TIMED OUT, and its row does not say that it may: $named: $file: $4" && return 1 ;;
    1:*) echo "$rule: caught by $named, but its row says $ends" && return 1 ;;
    *) echo "$rule: CRASHED with $code, which is no answer: $named: $file: $4" && return 1 ;;
    esac
}

number=0
failed=0
rm -f "$build"/result.*
while IFS=$'\t' read -r rule file stands broken tests_of ends; do
    [[ $rule == '#'* || -z $rule ]] && continue
    [[ -z $pattern || "$rule $file $tests_of" == *"$pattern"* ]] || continue
    number=$((number + 1))
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n; done
    { mutant "$number" "$rule" "$file" "$stands" "$broken" "$tests_of" "$ends"; echo $? >"$build/result.$number"; } &
done <tests/rfc/mutants/table.tsv
wait
for ((i = 1; i <= number; i++)); do [[ $(<"$build/result.$i") == 0 ]] || failed=$((failed + 1)); done
rm -f "$build"/result.*
echo "mutants: $number rules broken one at a time, $((number - failed)) caught in $SECONDS s"
((failed == 0))
