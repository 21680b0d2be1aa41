# Third-party packages, as installed by scripts/install-deps.sh. Their headers are SYSTEM: no warnings from them.
find_package(Threads REQUIRED)
set(OPENSSL_USE_STATIC_LIBS TRUE)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
# A static libcrypto built with compression (Debian 13) calls these; otherwise they add nothing.
foreach(name z zstd)
  find_library(${name}_COMPRESSION_LIBRARY NAMES lib${name}.a)
  if(${name}_COMPRESSION_LIBRARY)
    target_link_libraries(OpenSSL::Crypto INTERFACE ${${name}_COMPRESSION_LIBRARY})
  endif()
endforeach()

function(spiffe_find_static variable)
  find_library(${variable} NAMES ${ARGN} REQUIRED)
endfunction()

add_library(libevent INTERFACE)
spiffe_find_static(EVENT_EXTRA_LIBRARY libevent_extra.a)
spiffe_find_static(EVENT_CORE_LIBRARY libevent_core.a)
target_link_libraries(libevent INTERFACE ${EVENT_EXTRA_LIBRARY} ${EVENT_CORE_LIBRARY})

# Debian ships no static archive of fmt.
add_library(fmt_header_only INTERFACE)
find_path(FMT_INCLUDE_DIR fmt/core.h REQUIRED)
target_include_directories(fmt_header_only SYSTEM INTERFACE ${FMT_INCLUDE_DIR})
# We format no values of these types; the code for them is 6 kB.
target_compile_definitions(fmt_header_only INTERFACE FMT_HEADER_ONLY FMT_USE_FLOAT=0 FMT_USE_LONG_DOUBLE=0)

add_library(tomlplusplus INTERFACE)
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)
target_include_directories(tomlplusplus SYSTEM INTERFACE ${TOMLPLUSPLUS_INCLUDE_DIR})

add_library(libyaml INTERFACE)
find_path(YAML_INCLUDE_DIR yaml.h REQUIRED)
spiffe_find_static(YAML_LIBRARY libyaml.a)
target_include_directories(libyaml SYSTEM INTERFACE ${YAML_INCLUDE_DIR})
target_link_libraries(libyaml INTERFACE ${YAML_LIBRARY})

add_library(nlohmann INTERFACE)
find_path(NLOHMANN_INCLUDE_DIR nlohmann/json.hpp REQUIRED)
target_include_directories(nlohmann SYSTEM INTERFACE ${NLOHMANN_INCLUDE_DIR})

add_library(cli11 INTERFACE)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
target_include_directories(cli11 SYSTEM INTERFACE ${CLI11_INCLUDE_DIR})
