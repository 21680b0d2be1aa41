# Protection of indirect branches and returns by the processor (CET, BTI and PAC).
#
# CET and BTI are active only if all objects of a program are marked, including those of libc. If libc is not marked
# (Debian 12), the markers in our code have no effect. Signed return addresses (PAC) work for each function separately,
# so arm64 always gets them, and BTI's landing pads with them.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  target_compile_options(spiffe_flags INTERFACE -mbranch-protection=standard)
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=rcrt1.o OUTPUT_VARIABLE libc_start
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  execute_process(COMMAND ${CMAKE_READELF} -n ${libc_start} OUTPUT_VARIABLE libc_notes ERROR_QUIET)
  if(libc_notes MATCHES "IBT|SHSTK")
    target_compile_options(spiffe_flags INTERFACE -fcf-protection=full)
  endif()
endif()
