//go:build tools

// Package peers names the OPA that examples/envoy/opa is tested with, so that go.mod and go.sum pin it.
package peers

import _ "github.com/open-policy-agent/opa"
