# Who may ask for what: the same as in ../rbac.
package envoy.authz

default allow := false

frontend := "spiffe://example.org/ns/default/sa/default/frontend"

frontend_2 := "spiffe://example.org/ns/default/sa/default/frontend-2"

request := input.attributes.request.http

# Without the query, which Envoy leaves in.
path := split(request.path, "?")[0]

# The SPIFFE ID of the certificate that Envoy has verified.
caller := input.attributes.source.principal

allow if {
	request.method == "GET"
	path == "/balances/balance_1"
	caller == frontend
}

allow if {
	request.method == "GET"
	startswith(path, "/balances/")
	caller == frontend_2
}
