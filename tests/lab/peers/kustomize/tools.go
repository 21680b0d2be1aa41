//go:build tools

// Pins the module of kustomize.
package tools

import _ "sigs.k8s.io/kustomize/kustomize/v5"
