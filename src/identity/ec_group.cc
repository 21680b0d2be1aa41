#include "identity/ec_group.hh"

#include <openssl/obj_mac.h>
#include <openssl/objects.h>

#include "base/openssl.hh"

namespace spiffe::identity {

namespace {

template <int nid>
const EC_GROUP* the_group() {
  static const Owned<EC_GROUP, EC_GROUP_free> group(EC_GROUP_new_by_curve_name(nid));
  return group.get();
}

}  // namespace

const EC_GROUP* ec_group(int nid) {
  switch (nid) {
    case NID_X9_62_prime256v1:
      return the_group<NID_X9_62_prime256v1>();
    case NID_secp384r1:
      return the_group<NID_secp384r1>();
    case NID_secp521r1:
      return the_group<NID_secp521r1>();
    default:
      return nullptr;
  }
}

int named_curve(const X509_ALGOR* identifier) {
  int type = 0;
  const void* value = nullptr;
  X509_ALGOR_get0(nullptr, &type, &value, identifier);
  return type == V_ASN1_OBJECT ? OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(value)) : NID_undef;
}

}  // namespace spiffe::identity
