#include "output/write_error.hh"

#include <cerrno>

#include <unistd.h>

namespace spiffe::output {

std::unexpected<Error> cannot_write(std::string_view path, std::string_view call, int code) {
  std::string message = "cannot write ";
  message.append(path).append(": ").append(errno_text(code)).append(" (").append(call).append(")");
  return std::unexpected(Error{ErrorKind::io, std::move(message), hint_of_write(code), code});
}

std::string hint_of_write(int code) {
  switch (code) {
    case EACCES:
    case EPERM:
      return "user " + std::to_string(::geteuid()) +
             " may not write there: chown the directory, or set fsGroup or runAsUser";
    case EROFS:
      return "it is mounted read-only: is readOnly set on the helper's volumeMount? with "
             "readOnlyRootFilesystem mount a volume there, an emptyDir; in a systemd unit add "
             "ReadWritePaths=";
    case ENOSPC:
      return "make room: the helper keeps the old files as long as new ones do not fit; no inode may be left";
    case EDQUOT:
      return "make room or raise the quota: the helper keeps the old files as long as new ones do not fit";
    case ENOTDIR:
      return "cert_dir names the directory, the *_file_name keys the files";
    case ELOOP:
      return "no symlink is followed below cert_dir: name the directory itself";
    case EISDIR:
    case EEXIST:
      return "remove what somebody put there, or choose another name";
    case EMFILE:
    case ENFILE:
      return "no file descriptor is left: raise the limit (ulimit -n, LimitNOFILE=)";
    case EIO:
      return "the disk reports an error: what does the kernel's log say (dmesg)?";
    default:
      return {};
  }
}

std::string_view hint_of_chown() {
  return "run the helper as root or with CAP_CHOWN, or leave owner and key_owner out; a group needs the "
         "helper "
         "to be a member of it (supplementalGroups)";
}

std::string_view hint_of_missing_directory(bool create) {
  return create ? std::string_view() : "create it, mount it, or set create_cert_dir = true";
}

}  // namespace spiffe::output
