"""Thousands of configuration files: every form in use, and random ones from a seed.

Most random files are plausible: known keys with values of the right type, in any form that HCL and JSON
allow. One in four is then damaged in one or two characters.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

FILES = (
    'svid_file_name = "svid.pem"\n'
    'svid_key_file_name = "svid_key.pem"\n'
    'svid_bundle_file_name = "svid_bundle.pem"\n'
)


@dataclass(frozen=True)
class Case:
    name: str
    text: bytes
    env: dict[str, str] = field(default_factory=dict)


NAMES = (
    "svid.pem",
    "svid_key.pem",
    "bundle.pem",
    "a.pem",
    "b",
    "sub/c.pem",
    "/abs.pem",
    "./d.pem",
    "x/../e.pem",
)
PATHS = ("/run/certs", "certs", "", ".", "/", "./certs/", "/a//b", "../up", "/a/../b", "a b")
SIGNALS = (
    "SIGHUP",
    "SIGUSR1",
    "SIGTERM",
    "SIGQUIT",
    "SIGWINCH",
    "HUP",
    "sighup",
    "1",
    "SIGFOO",
    "",
    "SIGRTMIN+3",
    "SIGHUP",
    "SIGUSR2",
)
ADDRESSES = (
    "/tmp/agent.sock",
    "/run/spire/sockets/agent.sock",
    "",
    "unix:///tmp/a.sock",
    "tcp://127.0.0.1:8081",
)
ARGS = (
    "-c conf",
    "",
    '-c "a b"',
    "a  b",
    " a",
    "a ",
    'a "b ""c"" d"',
    'a"b',
    '"a"b',
    '"a',
    "'a b'",
    "a\nb",
    "é ü",
)
WORDS = (
    "",
    "web",
    "a b",
    "é",
    "#no comment",
    "// neither",
    "${HOME}",
    "x=y",
    "{",
    "]",
    "\\",
    'quo"te',
    "tab\there",
)
AUDIENCES = ("db", "db2", "a,b", "https://api.example.org/", "x y", "", "spiffe://example.org/db")
URL_PATHS = ("/live", "/ready", "/healthz", "", "live", "/")
STRINGS: dict[str, tuple[str, ...]] = {
    "agent_address": ADDRESSES,
    "cmd": ("/bin/true", "", "sleep", "my program"),
    "cmd_args": ARGS,
    "cert_dir": PATHS,
    "renew_signal": SIGNALS,
    "svid_file_name": NAMES,
    "svid_key_file_name": NAMES,
    "svid_bundle_file_name": NAMES,
    "jwt_bundle_file_name": (*NAMES, ""),
    "pid_file_name": ("/run/x.pid", "x.pid", ""),
    "hint": WORDS,
}
ALIASES = {
    "agent_address": "agentAddress",
    "cmd_args": "cmdArgs",
    "cert_dir": "certDir",
    "renew_signal": "renewSignal",
    "svid_file_name": "svidFileName",
    "svid_key_file_name": "svidKeyFileName",
    "svid_bundle_file_name": "svidBundleFileName",
    "add_intermediates_to_bundle": "addIntermediatesToBundle",
}
BOOLEANS = ("add_intermediates_to_bundle", "include_federated_domains", "omit_expired", "daemon_mode")
MODE_KEYS = ("cert_file_mode", "key_file_mode", "jwt_bundle_file_mode", "jwt_svid_file_mode")
MODES = (
    *(
        "0644",
        "0600",
        "0640",
        "0400",
        "0444",
        "0",
        "00",
        "0755",
        "0777",
        "01777",
        "04755",
        "0100644",
        "07",
        "0002",
    )
    * 4,
    *(
        "644",
        "640",
        "600",
        "400",
        "444",
        "660",
        "420",
        "384",
        "416",
        "436",
        "256",
        "288",
        "292",
        "432",
        "1",
        "7",
        "77",
    )
    * 2,
    *(
        "0x1a4",
        "0X180",
        "0o644",
        "0O600",
        "0b11",
        "-1",
        "-0644",
        "999",
        "888",
        "1000",
        "4096",
        "0849",
        "1e3",
        "6.4",
    ),
    *("99999999999999999999", "9223372036854775807", "2147483648", "+420", "6_44", "0_644"),
)
PORTS = (
    *("8081", "0", "1", "65535", "9090") * 4,
    "65536",
    "-1",
    "0x1F91",
    "017621",
    "80.5",
    "1e4",
    "8_081",
    "0b101",
    "99999999999",
)
HEALTH_STRINGS = ("liveness_path", "readiness_path")
NEW_KEYS = (
    "x509_svids",
    "spiffe_id",
    "verify",
    "layout",
    "log_level",
    "timeout",
    "stop_signal",
    "create_cert_dir",
    "owner",
    "prepare_cmd",
    "prepare_cmd_timeout",
    "renew_cmd_at_start",
    "start",
    "reload",
    "bundle_map_file_name",
    "svid_combined_file_name",
    "combined_order",
    "key_format",
    "svid_keystore_file_name",
    "truststore_file_name",
    "keystore_password_file",
    "keystore_legacy",
    "bundle_dir",
    "envoy_sds_dir",
    "jwks_file_name",
    "credential_folder",
    "credential_folder_draft",
)
UNKNOWN = (
    "certdir",
    "svid_filename",
    "jwt_audience",
    "bind_port",
    "foo",
    "Cert-Dir",
    "cert.dir",
    "_",
    "é",
    "agent",
)


class Hcl:
    """Writes values and entries in a random form of HCL."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def maybe(self, probability: float) -> bool:
        return self.rng.random() < probability

    def space(self) -> str:
        return self.rng.choices(("", " ", "  ", "\t"), (2, 10, 1, 1))[0]

    def gap(self) -> str:
        """Text that is allowed wherever a line may end."""
        comments = (
            "# a comment",
            "// another {",
            "/* inline = 1 */",
            '/* of two\n lines " */',
            "#",
            "#= <<EOF",
        )
        lines = self.rng.choices(("", "\n", self.rng.choice(comments) + "\n"), (10, 2, 3))[0]
        return lines

    def string(self, text: str) -> str:
        if self.maybe(0.04) and "\n" not in text:
            indent = self.rng.choice(("", "  ", "\t"))
            dash = self.rng.choice(("", "-"))
            anchor = self.rng.choice(("EOF", "E", "END_1"))
            return f"<<{dash}{anchor}\n{indent}{text}\n{indent}{anchor}\n"
        if self.maybe(0.03):
            escaped = "".join(self.rng.choice((c, f"\\u{ord(c):04x}", f"\\U{ord(c):08x}")) for c in text)
            return f'"{escaped}"' if not set('"\\\n') & set(text) else json.dumps(text)
        return json.dumps(text, ensure_ascii=self.maybe(0.1))

    def number(self, spellings: tuple[str, ...]) -> str:
        spelling = self.rng.choice(spellings)
        return f'"{spelling}"' if self.maybe(0.25) else spelling

    def boolean(self) -> str:
        return self.rng.choices(
            ("true", "false", '"true"', "True", "1", "yes", "TRUE"), (40, 40, 1, 1, 1, 1, 1)
        )[0]

    def anything(self) -> str:
        """A value of any type."""
        kinds = (
            lambda: self.string(self.rng.choice(WORDS)),
            lambda: self.number(MODES + PORTS),
            self.boolean,
            lambda: self.brackets([self.anything() for _ in range(self.rng.randrange(3))]),
            lambda: self.block([("foo", self.string("x"))] if self.maybe(0.5) else []),
            lambda: self.rng.choice(
                ("bare", "null", "'single'", "${x}", "-", "=", ".5", "-2.5e-3", "1.", "/x")
            ),
        )
        return self.rng.choices(kinds, (3, 2, 1, 2, 1, 2))[0]()

    def brackets(self, items: list[str]) -> str:
        text = "[" + self.gap()
        for i, item in enumerate(items):
            last = i == len(items) - 1
            comma = "" if last and self.maybe(0.8) else "," * (2 if self.maybe(0.03) else 1)
            if not last and self.maybe(0.01):
                comma = " "
            text += item + self.space() + comma + self.gap()
        return text + "]"

    def block(self, entries: list[tuple[str, str]]) -> str:
        return "{" + self.gap() + self.entries(entries, inline=self.maybe(0.3)) + self.gap() + "}"

    def key(self, name: str) -> str:
        if self.maybe(0.04):
            name = name.upper() if self.maybe(0.5) else name.title()
        return f'"{name}"' if self.maybe(0.05) else name

    def entries(self, entries: list[tuple[str, str]], inline: bool = False) -> str:
        text = ""
        for name, value in entries:
            assign = "" if value.startswith("{") and self.maybe(0.5) else "="
            text += self.key(name) + self.space() + assign + self.space() + value
            separators = (", ", ",\n", " ", "\n") if inline else ("\n", ",\n", ", ", " ")
            if not value.endswith("\n"):
                text += self.rng.choices(separators, (10, 3, 1, 3) if inline else (40, 2, 2, 1))[0]
            text += self.gap()
        return text


class Generator:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.hcl = Hcl(self.rng)

    def jwt_entries(self) -> list[tuple[str, str]]:
        rng, hcl = self.rng, self.hcl
        entries = []
        if rng.random() < 0.98:
            entries.append(("jwt_audience", hcl.string(rng.choice(AUDIENCES))))
        if rng.random() < 0.98:
            entries.append(
                ("jwt_svid_file_name", hcl.string(rng.choice((*NAMES, *(f"t{n}" for n in range(20))))))
            )
        if rng.random() < 0.4:
            extras = [hcl.string(rng.choice(AUDIENCES)) for _ in range(rng.randrange(4))]
            entries.append(
                ("jwt_extra_audiences", hcl.brackets(extras) if rng.random() < 0.9 else hcl.anything())
            )
        if rng.random() < 0.04:
            entries.append((rng.choice((*UNKNOWN, "hint", "spiffe_id")), hcl.anything()))
        rng.shuffle(entries)
        return entries

    def health_entries(self) -> list[tuple[str, str]]:
        rng, hcl = self.rng, self.hcl
        entries = [("listener_enabled", hcl.boolean())] if rng.random() < 0.8 else []
        if rng.random() < 0.6:
            entries.append(("bind_port", hcl.number(PORTS)))
        for key in HEALTH_STRINGS:
            if rng.random() < 0.4:
                entries.append((key, hcl.string(rng.choice(URL_PATHS))))
        if rng.random() < 0.1:
            entries.append((rng.choice((*UNKNOWN, "unix_socket")), hcl.anything()))
        rng.shuffle(entries)
        return entries

    def entry(self) -> list[tuple[str, str]]:
        """One more key, or two if it is repeated."""
        rng, hcl = self.rng, self.hcl
        kind = rng.choices(
            ("string", "mode", "bool", "jwt", "health", "alias", "new", "unknown"),
            (27, 15, 15, 12, 12, 2, 1, 1),
        )[0]
        if kind == "string":
            key = rng.choice(list(STRINGS))
            made = [
                (key, hcl.string(rng.choice(STRINGS[key]))) for _ in range(2 if rng.random() < 0.05 else 1)
            ]
        elif kind == "mode":
            made = [(rng.choice(MODE_KEYS), hcl.number(MODES))]
        elif kind == "bool":
            made = [(rng.choice(BOOLEANS), hcl.boolean())]
        elif kind == "jwt":
            blocks = [
                hcl.block(self.jwt_entries()) for _ in range(rng.choices((0, 1, 2, 3), (1, 8, 4, 1))[0])
            ]
            made = [("jwt_svids", hcl.brackets(blocks))]
            if rng.random() < 0.1:
                made = [("jwt_svids", block) for block in blocks]
        elif kind == "health":
            made = [
                ("health_checks", hcl.block(self.health_entries()))
                for _ in range(2 if rng.random() < 0.05 else 1)
            ]
        elif kind == "alias":
            key = rng.choice(list(ALIASES))
            value = hcl.string(rng.choice(STRINGS[key])) if key in STRINGS else hcl.boolean()
            made = [(ALIASES[key], value)]
        else:
            made = [(rng.choice(NEW_KEYS if kind == "new" else UNKNOWN), hcl.anything())]
        if made and rng.random() < 0.03:
            made[0] = (made[0][0], hcl.anything())
        return made

    def plain_files(self) -> list[tuple[str, str]]:
        """The three files of a complete configuration, or sometimes fewer."""
        keys = ("svid_file_name", "svid_key_file_name", "svid_bundle_file_name")
        names = ("svid.pem", "svid_key.pem", "svid_bundle.pem")
        chosen = [
            (k, self.hcl.string(n)) for k, n in zip(keys, names, strict=True) if self.rng.random() < 0.98
        ]
        return [] if self.rng.random() < 0.03 else chosen

    def hcl_file(self) -> str:
        entries = self.plain_files()
        for _ in range(self.rng.randrange(6)):
            entries += self.entry()
        self.rng.shuffle(entries)
        return self.hcl.gap() + self.hcl.entries(entries)

    def json_value(self, key: str) -> object:
        rng = self.rng
        if rng.random() < 0.05:
            return rng.choice((None, True, 5, 6.5, "x", [], {}, ["a"], [["a"]], {"a": 1}, [{"a": 1}]))
        if key in STRINGS:
            return rng.choice(STRINGS[key])
        if key in BOOLEANS:
            return rng.choice((True, False))
        if key in MODE_KEYS:
            spelling = rng.choice(MODES)
            return int(spelling) if spelling.isdecimal() and rng.random() < 0.7 else spelling
        if key == "health_checks":
            health = {
                "listener_enabled": rng.choice((True, False)),
                "bind_port": rng.choice((0, 8081, "8081", 70000)),
            }
            return rng.choice((health, [health], {"liveness_path": "/l"}, health | {"foo": 1}))
        items = []
        for _ in range(rng.randrange(3)):
            item: dict[str, object] = {
                "jwt_audience": rng.choice(AUDIENCES),
                "jwt_svid_file_name": f"t{rng.randrange(4)}",
            }
            if rng.random() < 0.4:
                item["jwt_extra_audiences"] = rng.choice((["a"], [], ["a", "b"], "a"))
            items.append(item)
        return items

    def json_file(self) -> str:
        rng = self.rng
        keys = [*STRINGS, *BOOLEANS, *MODE_KEYS, "health_checks", "jwt_svids", *rng.sample(UNKNOWN, 1)]
        chosen = {key: self.json_value(key) for key in rng.sample(keys, rng.randrange(5))}
        names = {"svid_file_name": "s.pem", "svid_key_file_name": "k.pem", "svid_bundle_file_name": "b.pem"}
        whole = list({**(names if rng.random() < 0.95 else {}), **chosen}.items())
        rng.shuffle(whole)
        indent = rng.choice((None, 2, "\t"))
        return rng.choice(("", " \n")) + json.dumps(
            dict(whole), indent=indent, ensure_ascii=rng.random() < 0.5
        )

    def damage(self, text: str) -> str:
        """Removes, doubles, swaps or inserts one or two characters."""
        rng = self.rng
        for _ in range(rng.choice((1, 1, 2))):
            at = rng.randrange(len(text) + 1)
            how = rng.randrange(5)
            if how == 0:
                text = text[:at] + text[at + 1 :]
            elif how == 1:
                text = text[:at] + text[at : at + 1] + text[at:]
            elif how == 2:
                text = (
                    text[:at]
                    + rng.choice("\"{}[]=,#/\\\n\r \t$<-.0x_é'`:;*(\x0b\x0c\u00a0\u2028")
                    + text[at:]
                )
            elif how == 3:
                text = text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]
            else:
                text = text[:at]
        return text

    def case(self, number: int) -> Case:
        text = self.json_file() if self.rng.random() < 0.15 else self.hcl_file()
        if self.rng.random() < 0.25:
            text = self.damage(text)
        if self.rng.random() < 0.08:
            text = text.replace("\n", "\r\n")
        return Case(f"random {number}", text.encode())


def random_cases(seed: int, count: int) -> Iterator[Case]:
    generator = Generator(seed)
    return (generator.case(number) for number in range(count))
