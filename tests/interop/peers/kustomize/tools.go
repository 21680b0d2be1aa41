//go:build tools

// Package peers pins kustomize, which renders packaging/k8s.
package peers

import _ "sigs.k8s.io/kustomize/kustomize/v5"
