# Code from proto/workload.proto on protobuf's lite runtime, and gRPC without TLS (the Workload API has none).
#
# workload.proto imports google/protobuf/struct.proto, whose installed header belongs to the full runtime
# (about 1 MB more). So struct.proto is generated here as well, lite, and its header found first.
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
find_path(PROTOBUF_INCLUDE_DIR google/protobuf/struct.proto REQUIRED)

set(proto_out ${CMAKE_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${proto_out})
set(proto_sources ${proto_out}/workload.pb.cc ${proto_out}/workload.grpc.pb.cc
                  ${proto_out}/google/protobuf/struct.pb.cc)
add_custom_command(
  OUTPUT ${proto_sources} ${proto_out}/workload.pb.h ${proto_out}/workload.grpc.pb.h
         ${proto_out}/google/protobuf/struct.pb.h
  COMMAND ${PROTOC} -I ${CMAKE_SOURCE_DIR}/proto -I ${PROTOBUF_INCLUDE_DIR} --cpp_out=lite:${proto_out}
          --grpc_out=${proto_out} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} workload.proto
  COMMAND ${PROTOC} -I ${PROTOBUF_INCLUDE_DIR} --cpp_out=lite:${proto_out} google/protobuf/struct.proto
  DEPENDS ${CMAKE_SOURCE_DIR}/proto/workload.proto
  COMMENT "Generating Workload API code")

add_library(workload_proto STATIC ${proto_sources})
target_include_directories(workload_proto SYSTEM PUBLIC ${proto_out})
target_compile_definitions(workload_proto PUBLIC GRPC_USE_PROTO_LITE)
target_compile_options(workload_proto PRIVATE -w -ffunction-sections -fdata-sections
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)

if(SPIFFE_SANITIZE MATCHES "thread")
  # The packages are not instrumented. If they are shared libraries, ThreadSanitizer can distinguish them from
  # our code (tests/support/tsan.supp) and reports only our races.
  foreach(name grpc++_unsecure grpc_unsecure gpr protobuf-lite)
    find_library(${name}_SHARED NAMES lib${name}.so REQUIRED)
    target_link_libraries(workload_proto PUBLIC ${${name}_SHARED})
  endforeach()
  # gRPC's headers use Abseil themselves.
  target_link_options(workload_proto PUBLIC -Wl,--copy-dt-needed-entries)
else()
  set(grpc_archives "")
  foreach(name grpc++_unsecure grpc_unsecure gpr upb address_sorting protobuf-lite cares re2 z)
    find_library(${name}_ARCHIVE NAMES lib${name}.a REQUIRED)
    list(APPEND grpc_archives ${${name}_ARCHIVE})
  endforeach()
  get_filename_component(archive_directory ${gpr_ARCHIVE} DIRECTORY)
  file(GLOB absl_archives ${archive_directory}/libabsl_*.a)
  target_link_libraries(workload_proto PUBLIC
    -Wl,--start-group ${grpc_archives} ${absl_archives} -Wl,--end-group)
endif()
target_link_libraries(workload_proto PUBLIC Threads::Threads rt)
