#include "identity/ec_group.hh"

#include <openssl/obj_mac.h>
#include <openssl/objects.h>

#include "base/openssl.hh"

namespace spiffe::identity {

const EC_GROUP* ec_group(int nid) {
  using GroupPtr = Owned<EC_GROUP, EC_GROUP_free>;
  static const GroupPtr p256(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  static const GroupPtr p384(EC_GROUP_new_by_curve_name(NID_secp384r1));
  static const GroupPtr p521(EC_GROUP_new_by_curve_name(NID_secp521r1));
  if (nid == NID_X9_62_prime256v1) return p256.get();
  if (nid == NID_secp384r1) return p384.get();
  return nid == NID_secp521r1 ? p521.get() : nullptr;
}

int named_curve(const X509_ALGOR* identifier) {
  int type = 0;
  const void* value = nullptr;
  X509_ALGOR_get0(nullptr, &type, &value, identifier);
  return type == V_ASN1_OBJECT ? OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(value)) : NID_undef;
}

}  // namespace spiffe::identity
