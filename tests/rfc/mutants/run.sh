#!/usr/bin/env bash
# Breaks one rule of the stack after another, as table.tsv says, and runs the tests of that rule: each break must be caught. Nothing
# in the tree is changed: a broken file lies in front of the include path, in a build folder of its own (build/mutants). Caught is what
# a failed expectation tells; a row whose tests cannot end says so in a sixth column, `timeout`. A crash is no answer.
# usage: tests/rfc/mutants/run.sh [--list | PATTERN]: all of them, or those whose row holds PATTERN
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cd "$root" || exit 1
build=build/mutants
jobs=${WEFT_JOBS:-$(nproc)}
pattern=${1:-}
compiler=${CXX:-c++}
if command -v ccache >/dev/null; then compiler="ccache $compiler"; fi
flags=(-std=c++23 -O1 -g0 -Wno-psabi "-DWEFT_SOURCE_DIR=\"$root\"" "-DWEFT_BINARY_DIR=\"$root/$build\"")
if [[ $pattern == --list ]]; then
    grep -v '^#' tests/rfc/mutants/table.tsv | cut -f 1,2,5 | column -t -s $'\t'
    exit
fi

# The stack and the tests as they stand: an object a source, with the list of what it includes beside it.
mkdir -p "$build/base"
mapfile -t sources < <(ls stack/{core,wire,tcp,net,engine}/*.cc stack/tcp/congestion/*.cc tests/rfc/*_test.cc tests/rfc/page.cc tests/tcp/peer.cc 2>/dev/null)
object_of() { printf '%s.o' "${1//\//_}"; }
fresh() { # fresh OBJECT: newer than all that it is made of
    local object=$1 source
    [[ -e $object && -e ${object%.o}.d ]] || return 1
    for source in $(sed 's/\\$//; s/^[^:]*: //' "${object%.o}.d"); do [[ $source -ot $object ]] || return 1; done
}
# What nearly every source of the stack includes, precompiled: who breaks a header does without.
common=$build/base/common.h
if [[ ! -e $common.gch ]] || [[ -n $(find stack -name '*.h' -newer "$common.gch" -print -quit) ]]; then
    printf '#include "stack/%s"\n' tcp/connection.h engine/state.h >"$common"
    c++ "${flags[@]}" -I. -x c++-header "$common" -o "$common.gch" || exit 1
fi
linker=()
if command -v ld.gold >/dev/null; then linker=(-fuse-ld=gold); fi
compile() { $compiler "${flags[@]}" -I. -MMD -MF "$build/base/${2%.o}.d" -c "$1" -o "$build/base/$2"; }
echo "mutants: building the tests as they stand"
for source in "${sources[@]}"; do
    object=$(object_of "$source")
    fresh "$build/base/$object" && continue
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n || exit 1; done
    compile "$source" "$object" &
done
for job in $(jobs -p); do wait "$job" || { echo "mutants: what stands does not compile"; exit 1; }; done
link() { # link PROGRAM FOLDER: objects of FOLDER in the place of their namesakes
    local objects=() object
    for source in "${sources[@]}"; do
        object=$(object_of "$source")
        if [[ -n $2 && -e $2/$object ]]; then objects+=("$2/$object"); else objects+=("$build/base/$object"); fi
    done
    c++ "${linker[@]}" "${objects[@]}" -lgtest -lgtest_main -lpthread -o "$1"
}
link "$build/base/test_rfc" '' || exit 1
"$build/base/test_rfc" --gtest_brief=1 >"$build/base/log" 2>&1 || { tail "$build/base/log"; echo "mutants: the tests fail as they stand"; exit 1; }

# One row: 0 caught, 1 not.
mutant() {
    local number=$1 rule=$2 file=$3 stands=${4//\\n/$'\n'} broken=${5//\\n/$'\n'} tests=$6 ends=$7 place=$build/$1 text rest dependent
    [[ $broken == '(nothing)' ]] && broken=
    text=$(<"$file")
    rest=${text#*"$stands"}
    if [[ $rest == "$text" ]]; then echo "$rule: $file has no such text any more: $4"; return 1; fi
    if [[ $rest == *"$stands"* ]]; then echo "$rule: $file has this text twice: $4"; return 1; fi
    mkdir -p "$place/$(dirname "$file")"
    printf '%s\n' "${text%%"$stands"*}$broken$rest" >"$place/$file"
    for source in "${sources[@]}"; do
        dependent=$(object_of "$source")
        [[ $source == "$file" ]] || { [[ $file == *.h ]] && grep -q " $file\b" "$build/base/${dependent%.o}.d"; } || continue
        local from=$source first=()
        [[ $source == "$file" ]] && from=$place/$file first=(-include "$common")
        if ! c++ "${flags[@]}" -w -I"$place" -I. "${first[@]}" -c "$from" -o "$place/$dependent" 2>"$place/log"; then
            echo "$rule: the broken $file does not compile"
            head -n 3 "$place/log"
            return 1
        fi
    done
    link "$place/test_rfc" "$place" || return 1
    local code=0
    "$build/base/test_rfc" --gtest_filter="$tests" --gtest_brief=1 2>/dev/null | grep -q '^\[  PASSED  \] [1-9]' ||
        { echo "$rule: no test is called $tests"; return 1; }
    timeout 60 "$place/test_rfc" --gtest_filter="$tests" --gtest_brief=1 >"$place/log" 2>&1 || code=$?
    rm -rf "$place"
    case $code:$ends in
    1:) echo "$rule: caught by $tests" ;;
    124:timeout) echo "$rule: caught by timeout of $tests" ;;
    0:*) echo "$rule: NOT CAUGHT by $tests: $file: $4" && return 1 ;;
    124:*) echo "$rule: TIMED OUT, and its row does not say that it may: $tests: $file: $4" && return 1 ;;
    1:*) echo "$rule: caught by $tests, but its row says $ends" && return 1 ;;
    *) echo "$rule: CRASHED with $code, which is no answer: $tests: $file: $4" && return 1 ;;
    esac
}

number=0
failed=0
running=()
rm -f "$build"/result.*
while IFS=$'\t' read -r rule file stands broken tests ends; do
    [[ $rule == '#'* || -z $rule ]] && continue
    [[ -z $pattern || "$rule $file $tests" == *"$pattern"* ]] || continue
    number=$((number + 1))
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n; done
    { mutant "$number" "$rule" "$file" "$stands" "$broken" "$tests" "$ends"; echo $? >"$build/result.$number"; } &
done <tests/rfc/mutants/table.tsv
wait
for ((i = 1; i <= number; i++)); do [[ $(<"$build/result.$i") == 0 ]] || failed=$((failed + 1)); done
rm -f "$build"/result.*
echo "mutants: $number rules broken one at a time, $((number - failed)) caught"
((failed == 0))
