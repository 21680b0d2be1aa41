#!/usr/bin/env bash
# A gRPC server in C++ with certificates from spiffe-helper, and a development agent that renews them, until Ctrl-C.
# Variables: ../common/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

build() {
    configure helper.conf
    "${CXX:-g++}" -std=c++17 -c -o greeter.o "$here/greeter.cc" || fail "greeter.cc cannot be compiled"
    "${CXX:-g++}" -o greeter greeter.o -lgrpc++ -lgrpc -lgpr -labsl_synchronization || fail "greeter cannot be linked"
}

begin build
run helper.conf
