// The table of X.509 outputs. To add one, add a row here and its encoder.
#pragma once

#include <algorithm>
#include <array>

#include "output/encode_bundle_dir.hh"
#include "output/encode_bundle_map.hh"
#include "output/encode_combined.hh"
#include "output/encode_credential_folder.hh"
#include "output/encode_envoy_sds.hh"
#include "output/encode_key.hh"
#include "output/encode_pem.hh"
#include "output/encode_pkcs12.hh"
#include "output/format.hh"

namespace spiffe::output {

inline constexpr auto kFormats = std::to_array<Format>({
    {"svid_file_name", "file for the certificate chain", "svidFileName", Shape::file, Contents::certificate,
     &encode_chain},
    {"svid_key_file_name", "file for the private key", "svidKeyFileName", Shape::file, Contents::key,
     &encode_key},
    {"svid_bundle_file_name", "file for the trust bundle", "svidBundleFileName", Shape::file, Contents::trust,
     &encode_bundle},
    {"bundle_map_file_name",
     "file for the trust bundles of all trust domains, as a SPIFFE bundle map",
     "",
     Shape::file,
     Contents::trust,
     &encode_bundle_map,
     {},
     false,
     "json"},
    {"svid_combined_file_name",
     "file for private key and certificate chain together",
     "",
     Shape::file,
     Contents::key | Contents::certificate,
     &encode_combined,
     {},
     false,
     "pem"},
    {"svid_keystore_file_name",
     "PKCS#12 file for the private key and the chain",
     {},
     Shape::file,
     Contents::key | Contents::certificate,
     &encode_keystore,
     {},
     true,
     "p12"},
    {"truststore_file_name",
     "PKCS#12 file for the trust bundle",
     {},
     Shape::file,
     Contents::trust,
     &encode_truststore,
     {},
     true,
     "p12"},
    {"bundle_dir", "directory for the trust bundles of all trust domains, a file for each", "",
     Shape::directory, Contents::trust, &encode_bundle_dir, "*.pem"},
    {"envoy_sds_dir", "directory for the secrets of an Envoy that reads them from files", "",
     Shape::directory, Contents::key | Contents::certificate | Contents::trust, &encode_envoy_sds,
     "svid.yaml validation.yaml"},
    {"credential_folder",
     "directory for every identity, as the draft SPIFFE Filesystem Delivery has it",
     {},
     Shape::directory,
     Contents::key | Contents::certificate | Contents::trust,
     &encode_credential_folder,
     kCredentialFolderMembers,
     false,
     {},
     true},
});

// Whether any of these outputs has this property: &Format::password, &Format::every_svid.
[[nodiscard]] inline bool any_has(const OutputNames& names, bool Format::* property) {
  return std::ranges::any_of(
      kFormats, [&](const Format& format) { return format.*property && names.contains(format.key); });
}

}  // namespace spiffe::output
