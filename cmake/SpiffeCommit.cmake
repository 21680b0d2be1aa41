# SPIFFE_COMMIT: the commit of the sources, for `spiffe-helper version`. It is taken from the environment variable of
# that name (for builds from a copy), else from Git; it is empty if neither has it.
set(SPIFFE_COMMIT "")
if(DEFINED ENV{SPIFFE_COMMIT})
  set(SPIFFE_COMMIT "$ENV{SPIFFE_COMMIT}")
elseif(EXISTS ${CMAKE_SOURCE_DIR}/.git)
  execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude=*
                  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE SPIFFE_COMMIT
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND git rev-parse --path-format=absolute --git-path logs/HEAD
                  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE git_log
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(EXISTS "${git_log}")
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${git_log}")
  endif()
endif()
