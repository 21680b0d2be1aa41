# Read by cpack before each package format: which components it has, and how it spells things.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/touch.cmake)
if(CPACK_GENERATOR STREQUAL "DEB")
  set(CPACK_COMPONENTS_ALL helper helper_etc helper_notices helper_debian dev_agent dev_agent_notices dev_agent_debian)
  # Otherwise it is the first line of every description, before that of the package.
  unset(CPACK_PACKAGE_DESCRIPTION_SUMMARY)
else()
  set(CPACK_COMPONENTS_ALL helper helper_etc helper_notices helper_zsh helper_license dev_agent dev_agent_notices
      dev_agent_license)
endif()
