# Compiler and linker flags, as the INTERFACE target spiffe_flags (never applied to third-party code).
add_library(spiffe_flags INTERFACE)
target_compile_options(spiffe_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Wcast-qual -Wformat=2 -Wimplicit-fallthrough -Wnull-dereference
  -ffunction-sections -fdata-sections -fno-plt
  # For the same bytes from every checkout directory.
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of g++ 12 inside libstdc++ and fmt at -O2.
  target_compile_options(spiffe_flags INTERFACE -Wno-null-dereference -Wno-restrict)
endif()
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ takes a source file that another one includes for a header, whose types must not be local.
  target_compile_options(spiffe_flags INTERFACE -Wno-subobject-linkage)
endif()
if(SPIFFE_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # With the sanitizers' checks, g++ also reports false positives about the sizes of std::vector.
  target_compile_options(spiffe_flags INTERFACE -Wno-stringop-overflow -Wno-array-bounds -Wno-maybe-uninitialized)
endif()
if(SPIFFE_WERROR)
  target_compile_options(spiffe_flags INTERFACE -Werror)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  # Optimised for size: a rotation happens every few minutes, with cold caches, so less code takes less time.
  set(CMAKE_CXX_FLAGS_RELEASE "-Os -DNDEBUG")
  target_compile_options(spiffe_flags INTERFACE -fstack-protector-strong -D_FORTIFY_SOURCE=2)
  # Otherwise OpenSSL's macros put __FILE__ into the programs, which the maps above do not match if ccache has
  # made it relative (its base_dir).
  target_compile_definitions(spiffe_flags INTERFACE OPENSSL_NO_FILENAMES)
endif()

if(SPIFFE_SANITIZE)
  # Not optimised, and with only line numbers as debug information: optimising code with the checks takes three times as
  # long, and the tests wait more than they compute.
  add_compile_options(-fsanitize=${SPIFFE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -O0 -g1)
  add_link_options(-fsanitize=${SPIFFE_SANITIZE})
  # At a fixed address. Otherwise each start of a program relocates the data of the checks, 80 MB, and takes twice as long.
  add_link_options(-no-pie)
  if(SPIFFE_SANITIZE MATCHES "undefined")
    # gRPC's and protobuf's archives have no RTTI for the vptr check.
    add_compile_options(-fno-sanitize=vptr)
    add_link_options(-fno-sanitize=vptr)
  endif()
endif()

if(SPIFFE_FUZZ)
  # The fuzzer observes the libraries, so they must be instrumented too.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
                      -fno-sanitize-recover=undefined -O1 -g1)
  add_link_options(-fsanitize=address,undefined)
endif()

# Released programs are position-independent and relocate themselves (static-pie). Relative relocations in the packed
# form take a thirtieth of the space; glibc applies them to static programs since 2.36.
if(SPIFFE_STATIC)
  include(CheckLinkerFlag)
  include(CheckCXXSourceCompiles)
  check_linker_flag(CXX "-Wl,-z,pack-relative-relocs" SPIFFE_LINKER_HAS_RELR)
  check_cxx_source_compiles("#include <features.h>
    #if !__GLIBC_PREREQ(2, 36)
    #error too old
    #endif
    int main() {}" SPIFFE_LIBC_HAS_RELR)
  include(SpiffeBranchProtection)
endif()

# Memory is zeroed before it is freed: see src/base/cleansing_heap.cc. libstdc++ is linked statically so that its
# operator delete calls our free(). A static program links it statically anyway, and the option would make g++ link the
# C library, which comes after it, dynamically in spite of -static-pie.
function(spiffe_cleansing_heap target)
  if(NOT SPIFFE_SANITIZE AND NOT SPIFFE_FUZZ)
    target_link_options(${target} PRIVATE -Wl,--undefined=__wrap_free -Wl,--wrap=free -Wl,--wrap=realloc)
    if(NOT SPIFFE_STATIC)
      target_link_options(${target} PRIVATE -static-libstdc++)
    endif()
  endif()
endfunction()

# Link options of a program: dead code out, and for releases static, stripped and hardened (scripts/check-hardening.py).
function(spiffe_program target)
  target_link_options(${target} PRIVATE -Wl,--gc-sections)
  spiffe_cleansing_heap(${target})
  if(SPIFFE_STATIC)
    # packaging/linked.py reads from the map which libraries are in the program.
    target_link_options(${target} PRIVATE -Wl,-Map,${CMAKE_BINARY_DIR}/${target}.map)
    # -O2: a string that is the end of another one shares its bytes.
    target_link_options(${target} PRIVATE -static-pie -s -Wl,-O2 -Wl,--build-id=none
                        -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
    if(SPIFFE_LINKER_HAS_RELR AND SPIFFE_LIBC_HAS_RELR)
      target_link_options(${target} PRIVATE -Wl,-z,pack-relative-relocs)
    endif()
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()
