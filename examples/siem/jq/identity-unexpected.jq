# An X.509-SVID with a SPIFFE ID that this workload should not have. Replace the list by your own.
.[] | select((.event | IN("svid_published", "svid_unchanged"))
          and (.spiffe_id | IN("spiffe://example.org/workload") | not))
