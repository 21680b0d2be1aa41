# arm64 on amd64: Debian's cross compiler, and the libraries below build/sysroot-arm64 (packaging/sysroot.sh).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
get_filename_component(sysroot ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-arm64 REALPATH)
set(CMAKE_SYSROOT ${sysroot} CACHE PATH "Libraries and headers of the target")
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# Programs that run during the build (protoc) are this machine's, everything else is the target's.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# Manual pages and completions are printed by the program itself.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)
