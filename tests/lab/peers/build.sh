#!/bin/bash
# Builds the programs of a Kubernetes cluster of one node, kind, kustomize and SPIRE's controller manager; next to them
# it puts the definitions of Prometheus Operator's PodMonitor and of the controller manager's resources. Prints the
# directory that holds them; all else goes to stderr. Kept in a cache: see tests/support/go_peers.sh, also for the exit
# status.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl kind kustomize
          spire-controller-manager)
. "$here/../../support/go_peers.sh"

definitions() ( # definitions OUT MODULE-DIRECTORY MODULE FILES: of resources, from a module's sources
    cd "$here/$2"
    go mod download "$3"
    cp "$(go list -mod=readonly -m -f '{{.Dir}}' "$3")"/$4 "$1/"
)

build_all() { # build_all OUT
    local version commands=k8s.io/kubernetes/cmd package=k8s.io/component-base/version
    local manager=github.com/spiffe/spire-controller-manager
    version=$(pinned k8s.io/kubernetes "$here/kubernetes/go.mod")
    export CGO_ENABLED=0
    definitions "$1" prometheus-operator github.com/prometheus-operator/prometheus-operator \
        'example/prometheus-operator-crd/*_podmonitors.yaml'
    definitions "$1" spire-controller-manager $manager 'config/crd/bases/*.yaml'
    echo "build.sh: building kind"
    go_build_quickly kind "" -o "$1/kind" sigs.k8s.io/kind
    echo "build.sh: building kustomize"
    go_build_quickly kustomize "" -o "$1/kustomize" sigs.k8s.io/kustomize/kustomize/v5
    echo "build.sh: building SPIRE's controller manager"
    go_build_quickly spire-controller-manager "" -o "$1/spire-controller-manager" $manager/cmd
    echo "build.sh: building etcd and Kubernetes $version (several minutes the first time)"
    go_build_quickly kubernetes "" -o "$1/etcd" go.etcd.io/etcd/server/v3
    go_build_quickly kubernetes "-X $package.gitVersion=v$version" -o "$1/" \
        $commands/kube-apiserver $commands/kube-controller-manager $commands/kube-scheduler \
        $commands/kubelet $commands/kubectl
}

find_go kubernetes
build_once
