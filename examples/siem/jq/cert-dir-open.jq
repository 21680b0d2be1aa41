# Everybody can replace the files in cert_dir.
.[] | select(.event == "insecure_dir")
