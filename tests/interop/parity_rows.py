"""The configurations for the comparison of our program with the Go helper."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from parity import (
    AGENT,
    BASE,
    BUNDLE,
    FILES,
    JWT_BUNDLE_UPDATED,
    JWT_UPDATED,
    KEY,
    SVID,
    UPDATED,
    Row,
    recorder,
    rotate,
)

ONCE = ((rotate, UPDATED),)
TWICE = ONCE * 2
REFUSED_UPDATE = "Unable to dump bundle|Update refused"
CAMEL_CASE = (
    'agentAddress = "{socket}"\ncertDir = "certs"\n'
    f'svidFileName = "{SVID}"\nsvidKeyFileName = "{KEY}"\nsvidBundleFileName = "{BUNDLE}"\n'
)
# All keys of the Go helper's own example, in JSON.
JSON = (
    '{{"agent_address": "{socket}", "cert_dir": "certs", '
    f'"svid_file_name": "{SVID}", "svid_key_file_name": "{KEY}", "svid_bundle_file_name": "{BUNDLE}"'
)
INTERMEDIATE = ("-intermediate",)
HINTS = ("-id", "/first,hint=internal", "-id", "/second,hint=external")


def umask(mask: str) -> tuple[str, ...]:
    return ("sh", "-c", f'umask {mask}; exec "$0" "$@"')


def nothing(_: Path) -> None:
    pass


def folders(*names: str) -> Callable[[Path], object]:
    def prepare(directory: Path) -> None:
        for name in names:
            (directory / name).mkdir(parents=True)

    return prepare


def old_files(mode: int) -> Callable[[Path], object]:
    def prepare(directory: Path) -> None:
        (directory / "certs").mkdir()
        for name in (SVID, KEY, BUNDLE):
            path = directory / "certs" / name
            # Longer than the new content: none of it may remain.
            path.write_bytes(b"what was here before\n" * 1000)
            path.chmod(mode)

    return prepare


def other_files(directory: Path) -> None:
    (directory / "certs").mkdir()
    (directory / "certs" / "unrelated.txt").write_text("not ours\n")


def link_to_certs(directory: Path) -> None:
    (directory / "real").mkdir()
    os.symlink("real", directory / "certs")


X509 = (
    Row("plain", then=TWICE, spire=True),
    Row("intermediate", agent=INTERMEDIATE, then=ONCE),
    Row("intermediate in the bundle", "add_intermediates_to_bundle = true\n", agent=INTERMEDIATE, then=ONCE),
    Row("nothing to add to the bundle", "add_intermediates_to_bundle = true\n", then=ONCE, spire=True),
    Row("federated, not asked for", agent=("-federated", "3"), then=ONCE),
    Row("federated", "include_federated_domains = true\n", agent=("-federated", "3"), then=ONCE),
    Row("twelve federated", "include_federated_domains = true\n", agent=("-federated", "12")),
    Row(
        "federated and intermediate",
        "include_federated_domains = true\nadd_intermediates_to_bundle = true\n",
        agent=(*INTERMEDIATE, "-federated", "2"),
        then=ONCE,
    ),
    Row(
        "more federated later",
        "include_federated_domains = true\n",
        then=((lambda agent: agent.federated(2), UPDATED),),
    ),
    Row("new authority", then=((lambda agent: agent.rotate_ca(), UPDATED), *ONCE)),
    Row("cross-signed root", agent=("-cross-signed-root",), then=ONCE),
    Row("omit_expired, nothing expired", "omit_expired = true\n", agent=INTERMEDIATE, then=ONCE, spire=True),
    Row("hint of the first", 'hint = "internal"\n', agent=HINTS, then=ONCE),
    Row("hint of the second", 'hint = "external"\n', agent=HINTS, then=ONCE),
    Row("several identities, no hint", agent=HINTS, then=ONCE),
    Row("empty hint", 'hint = ""\n', agent=HINTS),
    Row("hint of none", 'hint = "other"\n', agent=HINTS, ready=(REFUSED_UPDATE,)),
    *(Row(f"key {kind}", agent=("-key-type", kind)) for kind in ("ec-p384", "rsa-2048", "ed25519")),
    # Places of files.
    Row("cert_dir with a slash at its end", AGENT + FILES + 'cert_dir = "./certs/"\n', whole=True),
    Row("absolute cert_dir", AGENT + FILES + 'cert_dir = "{dir}/certs"\n', whole=True),
    Row("no cert_dir", AGENT + FILES, whole=True, prepare=nothing, then=ONCE),
    Row("empty cert_dir", AGENT + FILES + 'cert_dir = ""\n', whole=True, prepare=nothing),
    Row("absolute name", 'svid_file_name = "/etc/svid.pem"\n', prepare=folders("certs/etc"), then=ONCE),
    Row(
        "names in folders",
        f'svid_file_name = "a/{SVID}"\nsvid_key_file_name = "b/../b/{KEY}"\n',
        prepare=folders("certs/a", "certs/b"),
        then=ONCE,
    ),
    Row("cert_dir is a link", prepare=link_to_certs, then=ONCE),
    Row("other files in cert_dir", prepare=other_files, then=ONCE),
    Row("files from before", prepare=old_files(0o644), then=ONCE),
    Row("missing cert_dir", prepare=nothing, ready=("Unable to dump bundle", "Received update")),
    # Modes.
    *(
        Row(f"cert_file_mode {mode}", f"cert_file_mode = {mode}\n", then=ONCE)
        for mode in ("0600", "0640", "0444", '"0640"', "416", "0", "0x1a4")
    ),
    *(
        Row(f"key_file_mode {mode}", f"key_file_mode = {mode}\n", then=ONCE)
        for mode in ("0400", "0640", '"0440"', "384", "0")
    ),
    Row("mode without its zero", "cert_file_mode = 644\n"),
    Row("modes of files from before", prepare=old_files(0o666), then=ONCE),
    Row("narrow umask", prefix=umask("077"), then=ONCE),
    Row("wide umask", prefix=umask("0"), then=ONCE),
    # Forms of the configuration.
    Row("JSON", JSON + "}}", whole=True),
    # The form of modes for the next Go helper.
    Row("JSON with modes as decimal integers", JSON + ', "cert_file_mode": 292, "key_file_mode": 256}}', whole=True),
    Row(
        "JSON with blocks",
        JSON + ', "health_checks": {{"listener_enabled": false, "bind_port": 8081}}}}',
        whole=True,
    ),
    Row("CRLF", BASE.replace("\n", "\r\n"), whole=True),
    Row("capitals and quotes", '"CERT_FILE_MODE" = 0640\nKey_File_Mode = 0640 // comment\n'),
    Row(
        "heredoc",
        AGENT + FILES + "cert_dir = <<-EOF\n  certs\n  EOF\n",
        whole=True,
        prepare=folders("certs\n"),
    ),
    Row("no listener", "health_checks {{\n  listener_enabled = false\n  bind_port = 8081\n}}\n"),
    Row("camelCase", BASE, whole=True, ours=CAMEL_CASE, then=ONCE),
    Row("camelCase arguments", recorder("a"), child=True, ours=recorder("a").replace("cmd_args", "cmdArgs")),
    Row(
        "address of the environment",
        BASE.replace(AGENT, ""),
        whole=True,
        env={"SPIFFE_ENDPOINT_SOCKET": "{socket}"},
    ),
    Row(
        "address of the old variable",
        BASE.replace(AGENT, ""),
        whole=True,
        env={"SPIRE_AGENT_ADDRESS": "{socket}"},
    ),
    Row(
        "empty address, then the environment",
        BASE.replace("{socket}", ""),
        whole=True,
        env={"SPIFFE_ENDPOINT_SOCKET": "{socket}"},
    ),
    Row("the default file", arguments=()),
    *(
        Row(f"flags {' '.join(flags)}", arguments=flags)
        for flags in (
            ("--config", "helper.conf"),
            ("-config=helper.conf",),
            ("--config=./helper.conf", "-daemon-mode=true"),
            ("-daemon-mode", "-config", "helper.conf"),
        )
    ),
    # The child.
    Row(
        "child",
        recorder("a", "b") + 'renew_signal = "SIGUSR1"\n',
        child=True,
        then=TWICE,
        signals=2,
        spire=True,
    ),
    Row(
        "child with odd arguments",
        recorder('""', '"a b"', '"say ""hello"""', "", "'c", "d'", "$HOME", "*")
        + 'renew_signal = "SIGUSR1"\n',
        child=True,
        then=ONCE,
        signals=1,
    ),
    Row("child without a signal", recorder(), child=True, then=ONCE),
    Row("child that ends", recorder("--exit", "0"), child=True),
    Row(
        "no such command",
        'cmd = "/no/such/command"\n',
        ready=("Unable to signal process|cannot start child",),
    ),
    Row("SIGINT", then=ONCE, stop=signal.SIGINT),
    # An agent without an identity for us.
    Row("denied at first", agent=("-fault", "deny"), ready=("Error while watching x509 context",)),
    Row("gone for a while", then=((lambda agent: agent.drop(), "Received update"), *ONCE)),
)

WRONG = {
    "no output": AGENT + 'cert_dir = "certs"\n',
    "one name": AGENT + 'svid_file_name = "svid.pem"\n',
    "two names": AGENT + 'svid_file_name = "svid.pem"\nsvid_key_file_name = "svid_key.pem"\n',
    "unknown key": BASE + "unknown = 1\n",
    "no value": "hint =\n" + BASE,
    "not closed": BASE + 'hint = "a\n',
    "single quotes": BASE + "hint = 'a'\n",
    "a boolean in quotes": BASE + 'omit_expired = "true"\n',
    "a list is due": BASE + 'jwt_svids = "a"\n',
    "a negative mode": BASE + "key_file_mode = -1\n",
    "a mode that is none": BASE + 'key_file_mode = "rw"\n',
    "0o644": BASE + "cert_file_mode = 0o644\n",
    "no audience": BASE + 'jwt_svids = [{{ jwt_svid_file_name = "a" }}]\n',
    "no token file": BASE + 'jwt_svids = [{{ jwt_audience = "a" }}]\n',
    "a pid file without a signal": BASE + 'pid_file_name = "p"\n',
    "a pid file in one-shot": BASE + 'pid_file_name = "p"\nrenew_signal = "SIGHUP"\ndaemon_mode = false\n',
    "a BOM": "\ufeff" + BASE,
    "YAML": "cert_dir: certs\n",
    "empty": "",
}
REFUSED = (
    *(Row(f"wrong: {name}", text, whole=True, ends=True) for name, text in WRONG.items()),
    Row("wrong: no such file", arguments=("-config", "nowhere.conf"), ends=True),
    Row("wrong: a directory", arguments=("-config", "certs"), ends=True),
    Row("usage: no such flag", arguments=("-no-such-flag",), ends=True),
    Row("usage: no value", arguments=("-config",), ends=True),
    Row(
        "usage: -daemon-mode=perhaps", arguments=("-config", "helper.conf", "-daemon-mode=perhaps"), ends=True
    ),
    *(
        Row(f"answers: {flag}", arguments=(flag,), ends=True)
        for flag in ("-h", "-help", "--help", "-version", "--version")
    ),
)

# Features that were not in our first release.

TOKEN = '{{ jwt_audience = "db", jwt_svid_file_name = "db.jwt" }}'
MORE = '{{ jwt_audience = "web", jwt_svid_file_name = "web.jwt", jwt_extra_audiences = ["api", "cache"] }}'
JWT_BASE = AGENT + 'cert_dir = "certs"\n'
JWT_BUNDLE = 'jwt_bundle_file_name = "jwt_bundle.json"\n'
BOTH_TOKENS = f"jwt_svids = [{TOKEN}, {MORE}]\n"
# For BOTH_TOKENS. We fsync each file, so on a slow disk the second token is later than the bundle.
ALL_READY = (UPDATED, JWT_UPDATED, JWT_UPDATED, JWT_BUNDLE_UPDATED)
HEALTH = "health_checks {{\n  listener_enabled = true\n  bind_port = {port}\n}}\n"
ONE_SHOT = "daemon_mode = false\n"
PATHS = ("/live", "/ready")
NEW_JWT_KEY = ((lambda agent: agent.rotate_jwt(), JWT_BUNDLE_UPDATED),)

JWT = (
    Row("token", f"jwt_svids = [{TOKEN}]\n", ready=(UPDATED, JWT_UPDATED), then=ONCE, spire=True),
    Row("token alone", JWT_BASE + f"jwt_svids = [{TOKEN}]\n", whole=True, ready=(JWT_UPDATED,)),
    Row(
        "token with more audiences",
        JWT_BASE + f"jwt_svids = [{MORE}]\n",
        whole=True,
        ready=(JWT_UPDATED,),
        spire=True,
    ),
    Row("two tokens", JWT_BASE + BOTH_TOKENS, whole=True, ready=(JWT_UPDATED, JWT_UPDATED)),
    Row(
        "token of a hint",
        f'jwt_svids = [{TOKEN}]\nhint = "external"\n',
        agent=HINTS,
        ready=(UPDATED, JWT_UPDATED),
    ),
    Row("token of several identities", f"jwt_svids = [{TOKEN}]\n", agent=HINTS, ready=(UPDATED, JWT_UPDATED)),
    Row("JWT bundle", JWT_BUNDLE, ready=(UPDATED, JWT_BUNDLE_UPDATED), then=NEW_JWT_KEY, spire=True),
    Row("JWT bundle alone", JWT_BASE + JWT_BUNDLE, whole=True, ready=(JWT_BUNDLE_UPDATED,), then=NEW_JWT_KEY),
    Row(
        "federated JWT bundles",
        JWT_BASE + JWT_BUNDLE,
        whole=True,
        agent=("-federated", "3"),
        ready=(JWT_BUNDLE_UPDATED,),
    ),
    Row("all three", BOTH_TOKENS + JWT_BUNDLE, ready=ALL_READY, then=ONCE, spire=True),
    Row(
        "JWT modes",
        BOTH_TOKENS + JWT_BUNDLE + "jwt_svid_file_mode = 0640\njwt_bundle_file_mode = 0644\n",
        ready=ALL_READY,
    ),
    Row(
        "JWT modes in quotes",
        BOTH_TOKENS + JWT_BUNDLE + 'jwt_svid_file_mode = "0440"\njwt_bundle_file_mode = "0444"\n',
        ready=ALL_READY,
    ),
    Row(
        "JWT modes of 0",
        BOTH_TOKENS + JWT_BUNDLE + "jwt_svid_file_mode = 0\njwt_bundle_file_mode = 0\n",
        ready=ALL_READY,
    ),
    Row(
        "tokens in folders",
        JWT_BASE + 'jwt_svids = [{{ jwt_audience = "a", jwt_svid_file_name = "/x/a.jwt" }}]\n',
        whole=True,
        prepare=folders("certs/x"),
        ready=(JWT_UPDATED,),
    ),
    Row(
        "tokens of odd audiences",
        JWT_BASE
        + 'jwt_svids = [{{ jwt_audience = "a b/ü", jwt_svid_file_name = "1.jwt", jwt_extra_audiences = [] }},\n'
        + '{{ jwt_audience = "a", jwt_svid_file_name = "2.jwt", jwt_extra_audiences = ["a", "", "x", "x"] }}]\n',
        whole=True,
        ready=(JWT_UPDATED, JWT_UPDATED),
    ),
    Row(
        "child and all three",
        recorder() + 'renew_signal = "SIGUSR1"\n' + BOTH_TOKENS + JWT_BUNDLE,
        child=True,
        ready=ALL_READY,
    ),
)

SHOTS = (
    Row("one-shot", ONE_SHOT, ends=True, spire=True),
    Row("one-shot by flag", arguments=("-config", "helper.conf", "-daemon-mode=false"), ends=True),
    Row("daemon by flag", ONE_SHOT, arguments=("-config", "helper.conf", "-daemon-mode=true")),
    Row("one-shot with a token", JWT_BASE + ONE_SHOT + f"jwt_svids = [{TOKEN}]\n", whole=True, ends=True),
    Row(
        "one-shot with more audiences", JWT_BASE + ONE_SHOT + f"jwt_svids = [{MORE}]\n", whole=True, ends=True
    ),
    Row("one-shot with a JWT bundle", JWT_BASE + ONE_SHOT + JWT_BUNDLE, whole=True, ends=True),
    Row(
        "one-shot with everything",
        ONE_SHOT
        + JWT_BUNDLE
        + f"jwt_svids = [{TOKEN}]\n"
        + "jwt_svid_file_mode = 0640\nkey_file_mode = 0640\n",
        ends=True,
        agent=(*INTERMEDIATE, "-federated", "2"),
        spire=True,
    ),
    Row(
        "one-shot with federation",
        ONE_SHOT + "include_federated_domains = true\nadd_intermediates_to_bundle = true\n",
        ends=True,
        agent=(*INTERMEDIATE, "-federated", "2"),
    ),
    Row("one-shot of a hint", ONE_SHOT + 'hint = "external"\n', ends=True, agent=HINTS),
    Row(
        "one-shot with a command",
        ONE_SHOT + 'cmd = "touch"\ncmd_args = "certs/started"\nrenew_signal = "SIGHUP"\n',
        ends=True,
    ),
    Row("one-shot with health checks", ONE_SHOT + HEALTH, ends=True),
    Row("wrong request", agent=("-fault", "invalid"), ends=True),
    Row("wrong request, JWT", JWT_BASE + JWT_BUNDLE, whole=True, agent=("-fault", "invalid"), ends=True),
    Row("one-shot, wrong request", ONE_SHOT, agent=("-fault", "invalid"), ends=True),
)

HEALTHY = (
    Row("health", HEALTH, health=PATHS, then=ONCE, spire=True),
    Row(
        "health with all three",
        HEALTH + BOTH_TOKENS + JWT_BUNDLE,
        health=PATHS,
        ready=ALL_READY,
        then=ONCE,
    ),
    Row(
        "health of a token alone",
        JWT_BASE + HEALTH + f"jwt_svids = [{TOKEN}]\n",
        whole=True,
        health=PATHS,
        ready=(JWT_UPDATED,),
    ),
    Row(
        "health of a JWT bundle alone",
        JWT_BASE + HEALTH + JWT_BUNDLE,
        whole=True,
        health=PATHS,
        ready=(JWT_BUNDLE_UPDATED,),
    ),
    Row(
        "health paths",
        HEALTH.replace("}}", '  liveness_path = "/healthz/live"\n  readiness_path = "/healthz/ready"\n}}'),
        health=("/healthz/live", "/healthz/ready"),
    ),
    Row(
        "health paths that end in a slash",
        HEALTH.replace("}}", '  liveness_path = "/h/"\n  readiness_path = "/"\n}}'),
        health=("/h/", "/h/x", "/", "/x"),
    ),
    Row(
        "health of a name that JSON escapes",
        JWT_BASE
        + HEALTH
        + 'jwt_svids = [{{ jwt_audience = "a", jwt_svid_file_name = "<&>\u2028é\\"x.jwt" }}]\n',
        whole=True,
        health=PATHS,
        ready=(JWT_UPDATED,),
    ),
    Row(
        "health of a name that is taken",
        HEALTH,
        prepare=folders(f"certs/{SVID}"),
        health=PATHS,
        ready=("Unable to dump bundle",),
    ),
    Row(
        "health while the agent is unavailable",
        HEALTH,
        agent=("-fault", "unavailable"),
        health=PATHS,
        ready=("Error while watching x509 context",),
    ),
    Row(
        "health of a failed write",
        HEALTH,
        prepare=nothing,
        health=PATHS,
        ready=("Received update", "Unable to dump bundle"),
    ),
    Row(
        "health before the first identity",
        HEALTH,
        agent=("-fault", "deny"),
        health=PATHS,
        ready=("Starting health server", "Error while watching x509 context"),
    ),
    Row(
        "health of a hint of none",
        HEALTH + 'hint = "other"\n',
        agent=HINTS,
        health=PATHS,
        ready=(REFUSED_UPDATE,),
    ),
    Row(
        "health of a token whose hint none has",
        JWT_BASE + HEALTH + f'jwt_svids = [{TOKEN}]\nhint = "other"\n',
        whole=True,
        agent=HINTS,
        health=PATHS,
        ready=("Unable to update JWT SVID",),
    ),
)

LATER = (*JWT, *SHOTS, *HEALTHY)
