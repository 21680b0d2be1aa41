#include "config/identities.hh"

#include "config/path_join.hh"

namespace spiffe::config {

std::string entry_name(std::size_t index) {
  return "x509_svids[" + std::to_string(index) + "]";
}

Config config_of(const Config& all, const X509Svid& entry) {
  Config out;
  out.agent_address = all.agent_address;
  out.verify = all.verify;
  out.cert_dir = join_path(all.cert_dir, entry.dir);
  out.x509 = entry.x509;
  const auto own = [](const auto& first, const auto& second) { return first ? first : second; };
  out.ownership = {.owner = own(entry.ownership.owner, all.ownership.owner),
                   .group = own(entry.ownership.group, all.ownership.group),
                   .key_owner = own(entry.ownership.key_owner, all.ownership.key_owner),
                   .key_group = own(entry.ownership.key_group, all.ownership.key_group)};
  out.cert_file_mode = all.cert_file_mode;
  out.key_file_mode = all.key_file_mode;
  out.layout = all.layout;
  out.create_cert_dir = all.create_cert_dir;
  out.require_secure_dir = all.require_secure_dir;
  out.revoke = all.revoke;
  out.revoke_after = all.revoke_after;
  out.daemon_mode = all.daemon_mode;
  out.renew_signal = entry.renew_signal;
  out.pid_file_name = entry.pid_file_name;
  out.pid_file_check = all.pid_file_check;
  out.stop_timeout = all.stop_timeout;
  out.renew_debounce = all.renew_debounce;
  out.renew_splay = all.renew_splay;
  out.prepare_cmd = entry.prepare_cmd;
  out.prepare_cmd_timeout = all.prepare_cmd_timeout;
  out.renew_cmd = entry.renew_cmd;
  out.renew_cmd_timeout = all.renew_cmd_timeout;
  out.renew_cmd_once = all.renew_cmd_once;
  return out;
}

}  // namespace spiffe::config
