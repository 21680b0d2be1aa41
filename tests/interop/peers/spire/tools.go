//go:build tools

// Package peers names the SPIRE programs the interop tests run, so that go.mod
// and go.sum pin them and all they need.
package peers

import (
	_ "github.com/spiffe/spire/cmd/spire-agent"
	_ "github.com/spiffe/spire/cmd/spire-server"
)
