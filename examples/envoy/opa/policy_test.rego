package envoy.authz_test

import data.envoy.authz

asks(method, path, caller) := {"attributes": {
	"source": {"principal": caller},
	"request": {"http": {"method": method, "path": path}},
}}

test_frontend_reads_balance_1 if {
	authz.allow with input as asks("GET", "/balances/balance_1", authz.frontend)
}

test_frontend_does_not_read_balance_2 if {
	not authz.allow with input as asks("GET", "/balances/balance_2", authz.frontend)
}

test_frontend_2_reads_both if {
	every path in {"/balances/balance_1", "/balances/balance_2"} {
		authz.allow with input as asks("GET", path, authz.frontend_2)
	}
}

test_nobody_writes if {
	every caller in {authz.frontend, authz.frontend_2} {
		not authz.allow with input as asks("POST", "/balances/balance_1", caller)
	}
}

test_others_read_nothing if {
	every caller in {"", "spiffe://example.org/ns/default/sa/default/frontend-3", "spiffe://partner.example/ns/default/sa/default/frontend"} {
		not authz.allow with input as asks("GET", "/balances/balance_1", caller)
	}
}
