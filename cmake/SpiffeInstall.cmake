# The files that `cmake --install` puts below the prefix: programs, manual pages, completions, units, documents.
#
# Components: `helper` and `dev_agent`, each a package of its own, and `helper_zsh` and `dev_agent_license`, whose files
# have another place or form in Debian's packages (packaging/).
include(GNUInstallDirs)
set(doc_dir ${CMAKE_INSTALL_DATADIR}/doc)

install(TARGETS spiffe-helper RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT helper)
install(TARGETS spiffe-dev-agent RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT dev_agent)
# ARCHITECTURE.md and rules.md are for developers: they refer to the sources.
file(GLOB documents CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} docs/*.md)
list(FILTER documents EXCLUDE REGEX "/(ARCHITECTURE|rules)\\.md$")
foreach(document README.md ${documents})
  # A link to a file that is not installed becomes plain text.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${document})
  file(READ ${document} text)
  string(REGEX REPLACE "\\[([^]]+)\\]\\((\\.\\./)?((packaging|tests|examples)[^)]*|([A-Z]+|rules)\\.md|LICENSE)\\)"
                       "\\1" text "${text}")
  file(WRITE ${CMAKE_BINARY_DIR}/documents/${document} "${text}")
  cmake_path(GET document PARENT_PATH directory)
  install(FILES ${CMAKE_BINARY_DIR}/documents/${document} DESTINATION ${doc_dir}/spiffe-helper/${directory}
          COMPONENT helper)
endforeach()
install(FILES packaging/examples/helper.conf
        DESTINATION ${doc_dir}/spiffe-helper/examples COMPONENT helper)
install(FILES LICENSE DESTINATION ${doc_dir}/spiffe-helper COMPONENT helper_license)
install(FILES LICENSE DESTINATION ${doc_dir}/spiffe-dev-agent COMPONENT dev_agent_license)

# The units name the program by its path. The prefix may be given as late as with `cmake --install --prefix`.
foreach(unit spiffe-helper.service spiffe-helper@.service)
  install(CODE "
    file(READ \"${CMAKE_CURRENT_SOURCE_DIR}/packaging/systemd/${unit}\" text)
    string(REPLACE ExecStart=/usr/bin/ \"ExecStart=\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/\" text \"\${text}\")
    file(WRITE \"${CMAKE_BINARY_DIR}/units/${unit}\" \"\${text}\")
    file(INSTALL \"${CMAKE_BINARY_DIR}/units/${unit}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\")
  " COMPONENT helper)
endforeach()

# A sanitized program does not run everywhere, so it makes neither manual pages nor completions.
if(NOT TARGET manual)
  return()
endif()
set(made "")
foreach(shell bash zsh fish)
  set(script ${CMAKE_BINARY_DIR}/completions/spiffe-helper.${shell})
  add_custom_command(OUTPUT ${script} COMMAND spiffe-helper completion ${shell} > ${script}
                     DEPENDS spiffe-helper VERBATIM)
  list(APPEND made ${script})
endforeach()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/completions)
set(completions ${CMAKE_BINARY_DIR}/completions/spiffe-helper)
install(FILES ${completions}.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME spiffe-helper COMPONENT helper)
install(FILES ${completions}.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
        RENAME spiffe-helper.fish COMPONENT helper)
install(FILES ${completions}.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions
        RENAME _spiffe-helper COMPONENT helper_zsh)

# Compressed without the time, so that the same page gives the same bytes.
foreach(page spiffe-helper.1 spiffe-helper.conf.5 spiffe-dev-agent.1)
  set(compressed ${CMAKE_BINARY_DIR}/${page}.gz)
  add_custom_command(OUTPUT ${compressed} COMMAND gzip -9nc ${CMAKE_BINARY_DIR}/${page} > ${compressed}
                     DEPENDS ${CMAKE_BINARY_DIR}/${page} VERBATIM)
  list(APPEND made ${compressed})
  string(REGEX REPLACE ".*\\." "" section ${page})
  set(component helper)
  if(page MATCHES "dev-agent")
    set(component dev_agent)
  endif()
  install(FILES ${compressed} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT ${component})
endforeach()
add_custom_target(installed_files ALL DEPENDS ${made})
