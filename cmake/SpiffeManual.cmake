# Included: the target "manual" makes the manual pages of docs/man/, with the program's own tables in them.
# Run with -P: makes them for PROGRAM (with EMULATOR before it, if given), DATE, SOURCE and OUTPUT.
if(CMAKE_SCRIPT_MODE_FILE)
  foreach(part commands keys)
    string(TOUPPER ${part} name)
    execute_process(COMMAND ${EMULATOR} ${PROGRAM} help -mdoc ${part} OUTPUT_VARIABLE ${name} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  foreach(page spiffe-helper.1 spiffe-helper.conf.5 spiffe-dev-agent.1)
    configure_file(${SOURCE}/${page}.in ${OUTPUT}/${page} @ONLY)
  endforeach()
  return()
endif()

# A sanitized program does not run on every machine that can build it.
if(SPIFFE_SANITIZE)
  return()
endif()
# The date of the pages is that of their text, not of the build.
set(manual_date "November 29, 2026")
set(manual_pages ${CMAKE_BINARY_DIR}/spiffe-helper.1 ${CMAKE_BINARY_DIR}/spiffe-helper.conf.5
                 ${CMAKE_BINARY_DIR}/spiffe-dev-agent.1)
add_custom_command(
  OUTPUT ${manual_pages}
  COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:spiffe-helper> -DEMULATOR=${CMAKE_CROSSCOMPILING_EMULATOR}
          -DDATE=${manual_date}
          -DSOURCE=${CMAKE_SOURCE_DIR}/docs/man -DOUTPUT=${CMAKE_BINARY_DIR} -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS spiffe-helper docs/man/spiffe-helper.1.in docs/man/spiffe-helper.conf.5.in
          docs/man/spiffe-dev-agent.1.in ${CMAKE_CURRENT_LIST_FILE}
  VERBATIM)
add_custom_target(manual ALL DEPENDS ${manual_pages})
