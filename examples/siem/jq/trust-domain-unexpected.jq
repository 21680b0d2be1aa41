# The bundle of a trust domain that is not in this list. Replace the list by your own trust domain and those it
# federates with. "more" counts trust domains beyond the first 32.
.[] | select(.event == "bundle_changed" and (.change | IN("added", "more"))
          and (.trust_domain | IN("example.org", "federated-1.example") | not))
