# A trust domain that was known has a new authority.
.[] | select(.event == "bundle_changed" and .change == "changed" and .authorities_added)
