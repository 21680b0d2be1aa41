//go:build tools

// Pins the module of SPIRE's controller manager.
package tools

import _ "github.com/spiffe/spire-controller-manager/cmd"
