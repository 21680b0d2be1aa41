module spiffe-helper.test/lab/prometheus-operator

go 1.24.0

// Not compiled: it contains the definitions of its resources. Without an import `go mod tidy` would drop it.
require github.com/prometheus-operator/prometheus-operator v0.85.0
