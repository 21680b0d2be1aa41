#!/bin/bash
# Builds the programs of a Kubernetes cluster of one node, and kustomize; next to them it puts the definition of
# Prometheus Operator's PodMonitor. Prints the directory that holds them; all else goes to stderr. Kept in a cache: see
# tests/support/go_peers.sh, also for the exit status.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl kustomize)
. "$here/../../support/go_peers.sh"

pod_monitor() { # pod_monitor OUT
    local module=github.com/prometheus-operator/prometheus-operator
    cd "$here/prometheus-operator"
    go mod download $module
    cp "$(go list -mod=readonly -m -f '{{.Dir}}' $module)/example/prometheus-operator-crd/"*_podmonitors.yaml "$1/"
}

build_all() { # build_all OUT
    local version commands=k8s.io/kubernetes/cmd package=k8s.io/component-base/version
    version=$(pinned k8s.io/kubernetes "$here/kubernetes/go.mod")
    export CGO_ENABLED=0
    (pod_monitor "$1")
    echo "build.sh: building kustomize"
    go_build kustomize "" -o "$1/kustomize" sigs.k8s.io/kustomize/kustomize/v5
    echo "build.sh: building etcd and Kubernetes $version (several minutes the first time)"
    go_build kubernetes "" -o "$1/etcd" go.etcd.io/etcd/server/v3
    go_build kubernetes "-X $package.gitVersion=v$version" -o "$1/" \
        $commands/kube-apiserver $commands/kube-controller-manager $commands/kube-scheduler \
        $commands/kubelet $commands/kubectl
}

find_go kubernetes
build_once
