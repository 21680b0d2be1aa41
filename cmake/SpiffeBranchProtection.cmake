# Protection of indirect branches and returns by the processor (CET, BTI and PAC).
#
# CET and BTI count only for a program whose objects are all marked, those of libc too. Where libc is not marked
# (Debian 12) the markers in our code would be bytes without an effect. Signed return addresses (PAC) work function by
# function, so arm64 always gets them, and the landing pads of BTI with them.
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
