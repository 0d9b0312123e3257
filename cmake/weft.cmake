# How weft is compiled, and the three functions that every folder uses: weft_library, weft_test, weft_fuzz.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
find_package(Threads REQUIRED)

add_library(weft_flags INTERFACE)
target_include_directories(weft_flags INTERFACE ${CMAKE_SOURCE_DIR})
# Contraction would make a digest depend on the compiler; baseline code runs on any machine of the architecture.
target_compile_options(weft_flags INTERFACE -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Wold-style-cast>
  $<$<BOOL:${WEFT_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(weft_flags INTERFACE -Wno-c99-designator -Wno-missing-designated-field-initializers -Wno-sign-conversion)
else()
  target_compile_options(weft_flags INTERFACE -Wno-missing-field-initializers)
  if(WEFT_UNITY)
    target_compile_options(weft_flags INTERFACE -Wno-shadow -Wshadow=local)  # a name of the file before is no shadow
  endif()
endif()
if(WEFT_SANITIZE)
  target_compile_options(weft_flags INTERFACE -fsanitize=${WEFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(weft_flags INTERFACE -fsanitize=${WEFT_SANITIZE})
endif()
if(WEFT_SANITIZE MATCHES undefined AND NOT WEFT_FUZZ)
  # Nearly all of it AddressSanitizer finds as well, and to say so first costs a tenth of the time to compile. The fuzz build keeps them.
  target_compile_options(weft_flags INTERFACE -fno-sanitize=null,object-size)
endif()
if(WEFT_FUZZ)
  target_compile_options(weft_flags INTERFACE -fsanitize=fuzzer-no-link)  # the libraries' branches guide the fuzzer too
endif()
if(WEFT_LTO)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(weft_flags INTERFACE -Wno-psabi)  # news of g++ 4.6 about 64-byte alignment
    target_link_options(weft_flags INTERFACE -flto=auto)     # as many at once as there are cores
  endif()
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # Records of some hundred bytes are cleared and copied by moves of 16 bytes: `rep stos` takes longer to begin than they to end.
  set(strategy vector_loop:512:noalign,rep_8byte:8192:noalign,libcall:-1:noalign)
  target_compile_options(weft_flags INTERFACE -mmemset-strategy=${strategy} -mmemcpy-strategy=${strategy})
  target_link_options(weft_flags INTERFACE -mmemset-strategy=${strategy} -mmemcpy-strategy=${strategy})
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Inlined, std::string's operator+ looks to g++ 12 like a copy of 2^63 bytes (GCC bug 105329).
  target_compile_options(weft_flags INTERFACE -Wno-stringop-overflow -Wno-restrict)
  target_link_options(weft_flags INTERFACE -Wno-stringop-overflow -Wno-restrict)
endif()

# Headers of the standard library that most sources include anyway, for who precompiles headers.
set(weft_std_headers <algorithm> <array> <bit> <cstdint> <cstring> <deque> <expected> <functional> <map> <memory> <optional> <set>
  <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>)

file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/std.cc CONTENT "")
add_library(weft_std OBJECT ${CMAKE_BINARY_DIR}/std.cc)
target_link_libraries(weft_std PRIVATE weft_flags)
target_precompile_headers(weft_std PRIVATE ${weft_std_headers})

# weft_precompile(TARGET header...): the standard library's headers and these, from the root, which most of the target's sources include;
# or without any the ones that all such targets share. A source names what it uses in any case: clang-tidy has no precompiled headers.
function(weft_precompile target)
  if(WEFT_FUZZ)
    return()
  elseif(ARGN)
    list(TRANSFORM ARGN PREPEND ${CMAKE_SOURCE_DIR}/)
    target_precompile_headers(${target} PRIVATE ${weft_std_headers} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM weft_std)
  endif()
endfunction()

# weft_unity(TARGET): with WEFT_UNITY so many neighbouring sources are compiled as one. No name may then be in two files of a folder,
# not even in unnamed namespaces. clang-tidy and the presets one edits with see each file alone.
function(weft_unity target)
  if(WEFT_UNITY AND NOT WEFT_FUZZ)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${WEFT_UNITY})
  endif()
endfunction()

# weft_library(NAME [PUBLIC lib...] [PRIVATE lib...] [PRECOMPILED header...]): all .cc files of this folder. The edges are the include table of
# docs/architecture.md, which tests/house holds against the #include lines.
function(weft_library name)
  cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE;PRECOMPILED" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  if(sources)
    add_library(weft_${name} STATIC ${sources})
    target_link_libraries(weft_${name} PUBLIC weft_flags ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
    weft_unity(weft_${name})
    list(LENGTH sources many)
    if(many GREATER 2)
      weft_precompile(weft_${name} ${arg_PRECOMPILED})
    endif()
  else()
    add_library(weft_${name} INTERFACE)
    target_link_libraries(weft_${name} INTERFACE weft_flags ${arg_PUBLIC} ${arg_PRIVATE})
  endif()
endfunction()

# weft_precompiled(NAME header...): headers that are precompiled once for all tests that name it.
function(weft_precompiled name)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${name}.cc CONTENT "")
  add_library(weft_${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cc)
  target_link_libraries(weft_${name} PRIVATE weft_flags GTest::gtest Threads::Threads)
  target_compile_options(weft_${name} PRIVATE -fPIE ${WEFT_TEST_OPTIONS})
  set_target_properties(weft_${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)  # as the programs that use it: -fPIE
  target_precompile_headers(weft_${name} PRIVATE ${ARGN})
endfunction()

# weft_test(NAME lib... [SHARDS n] [PRECOMPILED name | HEADERS header...] [OPTIMIZED]): one GoogleTest program of all *_test.cc
# files of this folder (and its helpers), with headers of weft_precompiled(), gtest's alone unless told, or with precompiled
# headers of its own (for libraries that come with flags). OPTIMIZED: the sources as the libraries, for tests that compute
# for long. Shards run side by side under ctest -j.
function(weft_test name)
  if(NOT WEFT_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "OPTIMIZED" "SHARDS;PRECOMPILED" "HEADERS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  target_link_libraries(test_${name} PRIVATE weft_flags ${arg_UNPARSED_ARGUMENTS} GTest::gtest GTest::gtest_main Threads::Threads)
  if(NOT arg_OPTIMIZED)
    weft_unity(test_${name})
    target_compile_options(test_${name} PRIVATE ${WEFT_TEST_OPTIONS})
  endif()
  if(arg_HEADERS OR arg_OPTIMIZED)
    target_precompile_headers(test_${name} PRIVATE <gtest/gtest.h> ${arg_HEADERS})
  elseif(arg_PRECOMPILED)
    target_precompile_headers(test_${name} REUSE_FROM weft_${arg_PRECOMPILED})
  else()
    target_precompile_headers(test_${name} REUSE_FROM weft_gtest)
  endif()
  target_compile_definitions(test_${name} PRIVATE WEFT_SOURCE_DIR="${CMAKE_SOURCE_DIR}" WEFT_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(NOT arg_SHARDS)
    add_test(NAME ${name} COMMAND test_${name})
  else()
    math(EXPR last "${arg_SHARDS} - 1")
    foreach(shard RANGE ${last})
      add_test(NAME ${name}.${shard} COMMAND test_${name})
      set_tests_properties(${name}.${shard} PROPERTIES ENVIRONMENT "GTEST_TOTAL_SHARDS=${arg_SHARDS};GTEST_SHARD_INDEX=${shard}")
    endforeach()
  endif()
endfunction()

# weft_fuzz(NAME lib...): NAME_fuzz.cc with LLVMFuzzerTestOneInput. Under libFuzzer in the fuzz preset; in the others it
# is linked with replay.cc, and ctest replays tests/fuzz/corpus/NAME through it.
function(weft_fuzz name)
  add_executable(fuzz_${name} ${name}_fuzz.cc)
  target_link_libraries(fuzz_${name} PRIVATE weft_flags ${ARGN})
  if(WEFT_FUZZ)
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    if(NOT TARGET weft_replay)
      add_library(weft_replay STATIC replay.cc)
      target_link_libraries(weft_replay PUBLIC weft_flags)
    endif()
    target_link_libraries(fuzz_${name} PRIVATE weft_replay)
    target_compile_options(fuzz_${name} PRIVATE ${WEFT_TEST_OPTIONS})
    add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  endif()
endfunction()

# weft_plugin(NAME SOURCE lib...): NAME.so in build/PRESET/plugins, a module that is loaded at run time. It exports its entry
# alone, and nothing in it is unique in the process, or it could not be unloaded.
function(weft_plugin name source)
  add_library(weft_plugin_${name} MODULE ${source})
  target_link_libraries(weft_plugin_${name} PRIVATE weft_flags ${ARGN})
  target_compile_options(weft_plugin_${name} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-gnu-unique>)
  target_link_options(weft_plugin_${name} PRIVATE -Wl,--as-needed)
  set_target_properties(weft_plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name} C_EXTENSIONS OFF
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()
