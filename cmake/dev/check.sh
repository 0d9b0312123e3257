# ./dev check: formatting, analysis, the rules of the house, the mutants, and threads. Read by dev.

help_check() {
    cat <<'END'
usage: ./dev check [--fix] [--all | FILE...]
       ./dev check mutants [--list | PATTERN]
       ./dev check tsan

Formatting (clang-format-19) of every C++ file, the rules of the house (tests/house), and static analysis (clang-tidy-19)
of the sources that differ from the last commit; with FILE... formatting and analysis of those alone.
  --all   analyse every source
  --fix   write the formatting instead of complaining about it

mutants breaks one rule of TCP after another (tests/rfc/mutants/table.tsv) in a build folder of its own, and each break must be
caught by the tests of that rule; PATTERN: those alone whose rule, file or tests hold it.

tsan builds the tests of stack/api under ThreadSanitizer (build/tsan) and runs them: threads that share a shard, over virtual and real links.
END
}

# Sources and headers of the project, tracked or not; the C ABI is laid out by hand.
all_files() {
    git ls-files -co --exclude-standard -- '*.cc' '*.h' ':!plugins/abi' 2>/dev/null ||
        find stack overlay node sim gui bench tests -name '*.cc' -o -name '*.h'
}

changed_sources() {
    { git diff --name-only --diff-filter=d HEAD -- '*.cc' && git ls-files -o --exclude-standard -- '*.cc'; } 2>/dev/null || true
}

command_check() {
    if [[ ${1:-} == mutants ]]; then
        shift
        need g++ libgtest-dev
        exec tests/rfc/mutants/run.sh "$@"
    fi
    if [[ ${1:-} == tsan ]]; then
        (($# == 1)) || usage_error "check tsan takes nothing more" "check --help"
        check_tsan
        return
    fi
    local fix='' all='' status=0 files=() sources=()
    while (($#)); do
        case $1 in
        --fix) fix=1 ;;
        --all) all=1 ;;
        -*) usage_error "no such option: $1" "check --help" ;;
        *) files+=("$1") ;;
        esac
        shift
    done
    need "${check_packages[@]}"
    if ((${#files[@]})); then
        for file in "${files[@]}"; do [[ $file != *.cc ]] || sources+=("$file"); done
    else
        mapfile -t files < <(all_files)
        if [[ $all ]]; then mapfile -t sources < <(all_files | grep '\.cc$'); else mapfile -t sources < <(changed_sources); fi
    fi

    say "check: formatting, ${#files[@]} files"
    if [[ $fix ]]; then
        clang-format-19 -i "${files[@]}"
    else
        for file in "${files[@]}"; do
            clang-format-19 "$file" | diff -u --label "$file" --label "$file, formatted" "$file" - || status=1
        done
        ((status == 0)) || say "check: ./dev check --fix writes the formatting"
    fi

    if ((${#sources[@]})); then
        say "check: analysis, ${#sources[@]} sources"
        # A build folder of its own: no precompiled headers, which clang could not read.
        cmake --preset dev -B build/tidy -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >"$scratch/configure.log" 2>&1 || {
            cat "$scratch/configure.log" >&2
            fail 1 "cmake --preset dev failed"
        }
        printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$jobs" clang-tidy-19 --quiet -p build/tidy 2>"$scratch/tidy.log" ||
            status=1
        grep -E '(error|warning):' "$scratch/tidy.log" >&2 || true
    fi

    build dev test_house
    build/dev/tests/house/test_house --gtest_brief=1 || status=1
    if ((status == 0)); then say "check: ok"; else fail 1 "check found something"; fi
}

# What is built and run outside of the tree is no matter of threads. Addresses as they are without randomness: with as much as some
# kernels have there is no room for the sanitizer's shadow.
check_tsan() {
    need "${test_packages[@]}"
    build tsan test_api
    TSAN_OPTIONS=halt_on_error=1 setarch "$(uname -m)" -R build/tsan/tests/api/test_api --gtest_brief=1 \
        --gtest_filter='-Library.*:OpenDevice.*' || fail 1 "ThreadSanitizer found something"
    say "check: ok"
}
