# A federated bundle is malformed.
.[] | select(.event == "bundle_refused")
