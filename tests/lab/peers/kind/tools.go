//go:build tools

// Pins the module of kind.
package tools

import _ "sigs.k8s.io/kind"
