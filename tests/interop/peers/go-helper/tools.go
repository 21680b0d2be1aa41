//go:build tools

// Package peers names the Go helper the interop tests compare with, so that go.mod
// and go.sum pin it and all it needs.
package peers

import (
	_ "github.com/spiffe/spiffe-helper/cmd/spiffe-helper"
)
