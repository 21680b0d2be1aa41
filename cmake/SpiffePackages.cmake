# Packages for Debian and for RPM distributions, by CPack: spiffe-helper and spiffe-dev-agent. packaging/build.sh makes
# the files below build/…/packaging that they contain, then calls cpack.
set(SPIFFE_MAINTAINER "spiffe-helper maintainers <maintainers@spiffe-helper.example.org>"
    CACHE STRING "Who the packages name as their maintainer")
set(packaging ${CMAKE_CURRENT_SOURCE_DIR}/packaging)
set(package_files ${CMAKE_BINARY_DIR}/packaging)

# Files that only packages contain, and the directory of the configurations: `cmake --install` writes only below its
# prefix.
install(DIRECTORY DESTINATION /etc/spiffe-helper COMPONENT helper_etc EXCLUDE_FROM_ALL)
foreach(package spiffe-helper spiffe-dev-agent)
  set(component helper)
  if(package STREQUAL "spiffe-dev-agent")
    set(component dev_agent)
  endif()
  install(FILES ${package_files}/THIRD-PARTY-NOTICES.gz DESTINATION ${doc_dir}/${package}
          COMPONENT ${component}_notices EXCLUDE_FROM_ALL)
  install(FILES ${packaging}/debian/copyright ${package_files}/changelog.gz DESTINATION ${doc_dir}/${package}
          COMPONENT ${component}_debian EXCLUDE_FROM_ALL)
  install(FILES ${package_files}/${package}.changelog.Debian.gz DESTINATION ${doc_dir}/${package}
          RENAME changelog.Debian.gz COMPONENT ${component}_debian EXCLUDE_FROM_ALL)
  install(FILES ${packaging}/debian/${package}.lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides
          RENAME ${package} COMPONENT ${component}_debian EXCLUDE_FROM_ALL)
endforeach()
install(FILES ${CMAKE_BINARY_DIR}/completions/spiffe-helper.zsh
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions
        RENAME _spiffe-helper COMPONENT helper_debian EXCLUDE_FROM_ALL)

set(CPACK_PACKAGE_NAME spiffe-helper)
set(CPACK_PACKAGE_VENDOR "The spiffe-helper authors")
set(CPACK_PACKAGE_CONTACT "${SPIFFE_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "keeps SPIFFE identities in files and notifies programs of renewals")
set(CPACK_GENERATOR "DEB;RPM")
# So the whole path is known when a unit is installed, and /etc stays outside the prefix.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
# It selects the components of each package format.
set(CPACK_PROJECT_CONFIG_FILE ${packaging}/cpack.cmake)
set(helper_description "\
spiffe-helper connects to the SPIFFE Workload API of a local agent (SPIRE's,
most often), writes the certificate, private key, trust bundle and tokens that
it is given into files, starts or signals the program that uses them, and
repeats that at every renewal. A drop-in for the helper written in Go.")
set(dev_agent_description "\
A small SPIFFE Workload API server for laptops and tests. It gives every caller
every identity and can inject faults. Not for production.")
set(helper_summary "${CPACK_PACKAGE_DESCRIPTION_SUMMARY}")
set(dev_agent_summary "SPIFFE Workload API server for development and tests")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(architecture arm64)
  set(CPACK_RPM_PACKAGE_ARCHITECTURE aarch64)
else()
  set(architecture amd64)
  set(CPACK_RPM_PACKAGE_ARCHITECTURE x86_64)
endif()
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${architecture})
set(SPIFFE_ARCHITECTURE ${architecture} CACHE INTERNAL "As Debian and container images name it")

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${SPIFFE_MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE https://spiffe.io)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_HELPER_PACKAGE_CONTROL_EXTRA
    ${packaging}/debian/postinst ${packaging}/debian/prerm ${packaging}/debian/postrm)
set(CPACK_DEBIAN_HELPER_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)

set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_MAIN_COMPONENT helper)
set(CPACK_RPM_PACKAGE_RELEASE 1)
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
set(CPACK_RPM_PACKAGE_URL https://spiffe.io)
set(CPACK_RPM_PACKAGE_AUTOREQPROV OFF)
set(CPACK_RPM_COMPRESSION_TYPE xz)
set(CPACK_RPM_HELPER_POST_INSTALL_SCRIPT_FILE ${packaging}/rpm/post.sh)
set(CPACK_RPM_HELPER_PRE_UNINSTALL_SCRIPT_FILE ${packaging}/rpm/preun.sh)
set(CPACK_RPM_HELPER_POST_UNINSTALL_SCRIPT_FILE ${packaging}/rpm/postun.sh)
set(CPACK_RPM_CHANGELOG_FILE ${package_files}/changelog.rpm)
# Nothing depends on the machine or the time: the same sources give the same package. The programs are stripped already.
set(CPACK_RPM_SPEC_MORE_DEFINE "\
%global _buildhost localhost
%global packager ${SPIFFE_MAINTAINER}
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
%global _build_id_links none
%global debug_package %{nil}
%global __os_install_post %{nil}")
# Directories owned by other packages.
foreach(shared lib/systemd lib/systemd/system share/bash-completion share/bash-completion/completions share/fish
        share/fish/vendor_completions.d share/zsh share/zsh/site-functions share/man share/man/man1 share/man/man5)
  list(APPEND CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION /usr/${shared})
endforeach()

foreach(component helper dev_agent)
  string(REPLACE "dev_agent" "spiffe-dev-agent" package ${component})
  string(REGEX REPLACE "^helper$" "spiffe-helper" package ${package})
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION utils)
  # The first line is the summary.
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${${component}_summary}\n${${component}_description}")
  set(CPACK_RPM_${upper}_PACKAGE_NAME ${package})
  string(SUBSTRING "${${component}_summary}" 0 1 initial)
  string(TOUPPER ${initial} initial)
  string(REGEX REPLACE "^." "${initial}" summary "${${component}_summary}")
  set(CPACK_RPM_${upper}_PACKAGE_SUMMARY "${summary}")
  set(CPACK_RPM_${upper}_PACKAGE_DESCRIPTION "${${component}_description}")
endforeach()
set(CPACK_DEBIAN_HELPER_PACKAGE_SUGGESTS spiffe-dev-agent)

include(CPack)
foreach(component helper helper_etc helper_notices helper_debian helper_zsh helper_license)
  cpack_add_component(${component} GROUP helper)
endforeach()
foreach(component dev_agent dev_agent_notices dev_agent_debian dev_agent_license)
  cpack_add_component(${component} GROUP dev_agent)
endforeach()
cpack_add_component_group(helper)
cpack_add_component_group(dev_agent)
