"""Forms of HCL and JSON that configurations use, and common mistakes, one by one.

In a text @ stands for the three file names of a complete configuration.
"""

from __future__ import annotations

from config_cases import ALIASES, FILES, MODE_KEYS, MODES, PORTS, SIGNALS, Case

JSON_FILES = '"svid_file_name": "s.pem", "svid_key_file_name": "k.pem", "svid_bundle_file_name": "b.pem"'
JWT = 'jwt_audience = "db", jwt_svid_file_name = "t"'

WRITTEN = (
    # Comments, line ends, white space, separators.
    "# one\n// two\n/* three\n * four */\n@ # five",
    '@cert_dir = "a" # behind\nhint = "b" // behind\ncmd = "c" /* behind */\n',
    '@hint = /* inside */ "b"\n',
    '@hint = "not # a // comment /* here"\n',
    "@/* not closed",
    "@/ one slash\n",
    "@#",
    "@//",
    '@cert_dir="a",hint="b",\n',
    '@cert_dir = "a", hint = "b"\n',
    '@cert_dir = "a" hint = "b"\n',
    '@cert_dir =\n"a"\n',
    '@cert_dir\n= "a"\n',
    '\t@\tcert_dir\t=\t"a"\t',
    "@,",
    ",@",
    "@;",
    '@cert_dir = "a";\n',
    "@\x0b",
    "@\x0c",
    "@\u00a0",
    "@\u2028",
    "\ufeff@",
    "",
    "\n\n",
    "@\x00",
    '@hint = "a\x00b"\n',
    # Keys.
    '"svid_file_name" = "s"\n"svid_key_file_name" = "k"\n"svid_bundle_file_name" = "b"\n',
    'SVID_FILE_NAME = "s"\nSvid_Key_File_Name = "k"\nsvid_bundle_FILE_name = "b"\n',
    '@hint = "a"\nhint = "b"\n',
    '@hint = "a"\nHINT = "b"\n',
    '@hint = "a"\nhint = 5\n',
    '@unknown = "a"\n',
    '@"unknown" = "a"\n',
    "@unknown { }\n",
    "@unknown = [1, 2]\n",
    "@health_checks { unknown = 1 }\n",
    '@health_checks { "unknown" = 1 }\n',
    f"@jwt_svids = [{{ {JWT}, unknown = 1 }}]\n",
    f'@jwt_svids = [{{ {JWT}, "unknown" = 1 }}]\n',
    '@key: "value"\n',
    '@cert-dir = "a"\n',
    '@cert.dir = "a"\n',
    '@a b = "c"\n',
    '@a "b" { }\n',
    '@hint "label" { }\n',
    '@hint "label" = "x"\n',
    '@health_checks "label" { listener_enabled = true }\n',
    "@hint\n",
    "@hint =\n",
    "@hint = ",
    "@= 5\n",
    '@[table]\nhint = "a"\n',
    "@}\n",
    "@{\n",
    # Strings.
    r'@hint = "tab\there \"quoted\" back\\slash \a\b\f\n\r\v"' "\n",
    r'@hint = "\101\x41\u0041\U00000041"' "\n",
    r'@hint = "\u00e9\U0001F600"' "\n",
    r'@hint = "\xe9"' "\n",
    r'@hint = "\777"' "\n",
    r'@hint = "\uD800"' "\n",
    r'@hint = "\U00110000"' "\n",
    r'@hint = "\q"' "\n",
    r'@hint = "\/"' "\n",
    r'@hint = "\u12"' "\n",
    '@hint = "é 世界 😀"\n',
    '@hint = "two\nlines"\n',
    '@hint = "not closed\n',
    "@hint = 'single'\n",
    "@hint = “typographic”\n",
    "@hint = bare\n",
    "@hint = /a/path\n",
    "@hint = a.b-c\n",
    '@hint = "${HOME}"\n',
    '@hint = "${ "quoted" }"\n',
    '@hint = "${a{b}c}"\n',
    '@hint = "$${HOME} $HOME $"\n',
    '@hint = "${not closed"\n',
    '@hint = "${\n}"\n',
    '@hint = "a" "b"\n',
    '@hint = "a" + "b"\n',
    "@hint = null\n",
    "@hint = true\n",
    "@hint = 5\n",
    "@hint = 0644\n",
    "@hint = 0x1F\n",
    "@hint = -5\n",
    "@hint = 1.5\n",
    "@hint = 1e3\n",
    '@hint = ["a"]\n',
    "@hint = {}\n",
    "@hint { }\n",
    '@svid_file_name = ""\n',
    '@cert_dir = ""\n',
    # Heredocs.
    "@hint = <<EOF\na\nb\nEOF\n",
    "@hint = <<EOF\n  a\n   b\n  EOF\n",
    "@hint = <<-EOF\n  a\n    b\n  EOF\n",
    "@hint = <<-EOF\n  a\n b\n  EOF\n",
    "@hint = <<-EOF\na\nEOF\n",
    "@hint = <<-EOF\na\n EOF\n",
    "@hint = <<-EOF\n\n  a\n  EOF\n",
    "@hint = <<EOF\nEOF\n",
    "@hint = <<-EOF\n EOF\n",
    "@hint = <<EOF\nEOFX\n EOF X\nEOF\n",
    '@hint = <<EOF\n"quotes" ${x} \\n # no comment\nEOF\n',
    "@hint = <<E1_é\na\nE1_é\n",
    "@hint = << EOF\na\nEOF\n",
    "@hint = <<EOF \na\nEOF\n",
    '@hint = <<"EOF"\na\nEOF\n',
    "@hint = <<\na\n\n",
    "@hint = <<EOF\na\n",
    "@hint = <<EOF\na\nEOF",
    "@hint = <<EOF",
    "@hint = <EOF\na\nEOF\n",
    "@hint = <<EOF\na\nEOF\ncert_dir = <<EOF\nb\nEOF\n",
    "@hint = <<EOF, \na\nEOF\n",
    # Booleans.
    *(
        f"@omit_expired = {text}\n"
        for text in ("true", "false", '"true"', "True", "TRUE", "1", "0", "yes", "on", "[true]")
    ),
    *(f"@daemon_mode = {text}\n" for text in ("true", "false", '"false"', "False", "0")),
    "@daemon_mode = true\ndaemon_mode = false\n",
    # Lists.
    f"@jwt_svids = [{{ {JWT}, jwt_extra_audiences = [] }}]\n",
    f'@jwt_svids = [{{ {JWT}, jwt_extra_audiences = ["a", "b",] }}]\n',
    f'@jwt_svids = [{{ {JWT}, jwt_extra_audiences = ["a",, "b"] }}]\n',
    f'@jwt_svids = [{{ {JWT}, jwt_extra_audiences = [, "b"] }}]\n',
    f'@jwt_svids = [{{ {JWT}, jwt_extra_audiences = ["a" "b"] }}]\n',
    f'@jwt_svids = [{{ {JWT}, jwt_extra_audiences = ["a", 5, 0x1] }}]\n',
    f"@jwt_svids = [{{ {JWT}, jwt_extra_audiences = [true] }}]\n",
    f"@jwt_svids = [{{ {JWT}, jwt_extra_audiences = [1.5] }}]\n",
    f'@jwt_svids = [{{ {JWT}, jwt_extra_audiences = [["a"]] }}]\n',
    f'@jwt_svids = [{{ {JWT}, jwt_extra_audiences = "a" }}]\n',
    f'@jwt_svids = [{{ {JWT}, jwt_extra_audiences = ["a"], jwt_extra_audiences = ["b"] }}]\n',
    f'@jwt_svids = [{{ {JWT}, jwt_extra_audiences = [\n# comment\n"a", // comment\n"b" /* comment */\n] }}]\n',
    f"@jwt_svids = [{{ {JWT}, jwt_extra_audiences = [<<EOF\na\nEOF\n, <<EOF\nb\nEOF\n] }}]\n",
    "@jwt_svids = [{ jwt_audience = 5, jwt_svid_file_name = 6 }]\n",
    # Lists and blocks of objects.
    "@jwt_svids = []\n",
    f"@jwt_svids = [{{ {JWT} }}]\n",
    f'jwt_svids = [{{ {JWT} }}, {{ jwt_audience = "b", jwt_svid_file_name = "u" }}]\n',
    f'jwt_svids = [{{ {JWT} }},\n{{ jwt_audience = "b"\njwt_svid_file_name = "u"\n}},\n]\n',
    f'jwt_svids = [{{ {JWT} }}]\njwt_svids = [{{ jwt_audience = "b", jwt_svid_file_name = "u" }}]\n',
    f"jwt_svids {{ {JWT} }}\n",
    f'jwt_svids {{ {JWT} }}\njwt_svids {{ jwt_audience = "b", jwt_svid_file_name = "u" }}\n',
    f"jwt_svids = {{ {JWT} }}\n",
    f'jwt_svids = [{{ {JWT} }}]\njwt_svids {{ jwt_audience = "b", jwt_svid_file_name = "u" }}\n',
    f'jwt_svids "db" {{ {JWT} }}\n',
    f"jwt_svids [{{ {JWT} }}]\n",
    f"jwt_svids = [[{{ {JWT} }}]]\n",
    "@jwt_svids { }\n",
    "@jwt_svids = [{}]\n",
    '@jwt_svids = ["a"]\n',
    '@jwt_svids = "a"\n',
    '@jwt_svids = [{ jwt_audience = "a" }]\n',
    '@jwt_svids = [{ jwt_svid_file_name = "a" }]\n',
    '@jwt_svids = [{ jwt_audience = "", jwt_svid_file_name = "a" }]\n',
    f'@jwt_svids = [{{ {JWT}, hint = "h" }}]\n',
    "@health_checks { listener_enabled = true }\n",
    "@health_checks = { listener_enabled = true }\n",
    "@health_checks { listener_enabled = true, bind_port = 9090 }\n",
    "@health_checks {\n  listener_enabled = true\n  bind_port = 9090\n}\n",
    "@health_checks { listener_enabled = true }\nhealth_checks { bind_port = 9090 }\n",
    "@health_checks { bind_port = 1 }\nhealth_checks = { bind_port = 2, listener_enabled = true }\n",
    "@health_checks { listener_enabled = true bind_port = 9090 }\n",
    '@health_checks { listener_enabled = true, liveness_path = "", readiness_path = "" }\n',
    '@health_checks { listener_enabled = true, liveness_path = "/ready" }\n',
    "@health_checks = [{ listener_enabled = true }]\n",
    "@health_checks = true\n",
    "@health_checks { }\n",
    "@health_checks {\n",
    "@health_checks { listener_enabled }\n",
    '@cmd_args = ["-c", "a b"]\n',
    "@cmd_args = 5\n",
    r'@cmd_args = "a\"b"' "\n",
    r'@cmd_args = "a\"b"' '\ncmd_args = "b"\n',
    f"@jwt_svids = [{{ {JWT}, jwt_extra_audiences {{ }} }}]\n",
    "@health_checks { unix_socket = [] }\n",
    "@health_checks { é = 1 }\n",
    "@hint = 0849\n",
    "@stray\nhealth_checks { }\n",
    "@cert_file_mode = 0o644 health_checks { }\n",
    r'@cert_dir = "a\x00"' "\n",
    # Between keys.
    'svid_file_name = "s"\n',
    'svid_file_name = "s"\nsvid_key_file_name = "k"\n',
    'jwt_bundle_file_name = "b"\n',
    'cert_dir = "a"\n',
    '"svidFileName" = "s"\nsvid_key_file_name = "k"\nsvid_bundle_file_name = "b"\n',
    '@pid_file_name = "p"\n',
    '@pid_file_name = "p"\nrenew_signal = "SIGHUP"\n',
    '@pid_file_name = "p"\nrenew_signal = "SIGHUP"\ndaemon_mode = false\n',
    '@cmd = "c"\nrenew_signal = "SIGHUP"\ndaemon_mode = false\n',
    '@svid_file_name = "svid_key.pem"\n',
    '@svid_file_name = "."\n',
    '@svid_file_name = "../x"\n',
    '@svid_file_name = "..x"\n',
    '@jwt_bundle_file_name = "svid.pem/x"\n',
)

JSON_WRITTEN = (
    f"{{{JSON_FILES}}}",
    f" \n\t{{{JSON_FILES}\n}}\n",
    f"{{{JSON_FILES},}}",
    f"{{{JSON_FILES}",
    f"{{{JSON_FILES}}}}}",
    f"{{{JSON_FILES}}} x",
    f"[{{{JSON_FILES}}}]",
    f'{{{JSON_FILES}, "hint": "\\u00e9\\n"}}',
    f'{{{JSON_FILES}, "hint": "${{x}}"}}',
    f'{{{JSON_FILES}, "hint": "a", "hint": "b"}}',
    f'{{{JSON_FILES}, "hint": null}}',
    f'{{{JSON_FILES}, "hint": 5}}',
    f'{{{JSON_FILES}, "hint": "\\/"}}',
    f'{{{JSON_FILES}, "HINT": "a"}}',
    f'{{{JSON_FILES}, "unknown": 1}}',
    f'{{{JSON_FILES}, "cert_file_mode": 420}}',
    f'{{{JSON_FILES}, "cert_file_mode": "0640"}}',
    f'{{{JSON_FILES}, "cert_file_mode": 0640}}',
    f'{{{JSON_FILES}, "omit_expired": true}}',
    f'{{{JSON_FILES}, "omit_expired": "true"}}',
    f'{{{JSON_FILES}, "omit_expired": null}}',
    f'{{{JSON_FILES}, "health_checks": {{"listener_enabled": true, "bind_port": 9090}}}}',
    f'{{"health_checks": {{"listener_enabled": true, "bind_port": 9090}}, {JSON_FILES}}}',
    f'{{{JSON_FILES}, "health_checks": [{{"listener_enabled": true}}]}}',
    f'{{{JSON_FILES}, "health_checks": [{{"listener_enabled": true}}, {{"bind_port": 9090}}]}}',
    f'{{{JSON_FILES}, "health_checks": []}}',
    f'{{{JSON_FILES}, "jwt_svids": []}}',
    f'{{{JSON_FILES}, "jwt_svids": null}}',
    f'{{{JSON_FILES}, "jwt_svids": [{{"jwt_audience": "a", "jwt_svid_file_name": "t"}}]}}',
    f'{{{JSON_FILES}, "jwt_svids": [{{"jwt_audience": "a", "jwt_svid_file_name": "t", "jwt_extra_audiences": ["b"]}}]}}',
    f'{{{JSON_FILES}, "jwt_svids": {{"jwt_audience": "a", "jwt_svid_file_name": "t"}}}}',
    f'{{{JSON_FILES}, // comment\n "hint": "a"}}',
    f'{{{JSON_FILES} "hint": "a"}}',
    f'{{{JSON_FILES}, hint: "a"}}',
    f'{{{JSON_FILES}, "hint" "a"}}',
    f'{{{JSON_FILES}, "hint": "a"\n"b"}}',
    "{}",
    "{",
)

ADDRESSES = (
    "/run/a.sock",
    "/run/a#b?c.sock",
    "a b",
    "unx:///a",
    "tcp://agent:80",
    "/a\\n",
    "run/a.sock",
    "a.sock",
    "",
    "unix:///run/a.sock",
    "unix:/run/a.sock",
    "tcp://127.0.0.1:80",
)
VARIABLES = ("SPIFFE_ENDPOINT_SOCKET", "SPIRE_AGENT_ADDRESS")


def by_key() -> list[Case]:
    """Forms of one key's value, for each of several keys."""
    texts = [f"@{key} = {mode}\n" for key in MODE_KEYS for mode in dict.fromkeys(MODES)]
    texts += [f'@{key} = "{mode}"\n' for key in MODE_KEYS for mode in dict.fromkeys(MODES)]
    texts += [
        f"@health_checks {{ listener_enabled = true, bind_port = {port} }}\n" for port in dict.fromkeys(PORTS)
    ]
    texts += [
        f'@health_checks {{ listener_enabled = true, bind_port = "{port}" }}\n'
        for port in dict.fromkeys(PORTS)
    ]
    texts += [f'@renew_signal = "{signal}"\n' for signal in (*SIGNALS, "SIGKILL", "SIGRTMIN", "0", "99")]
    texts += [f'@agent_address = "{address}"\n' for address in ADDRESSES]
    for name, alias in ALIASES.items():
        value = "true" if name.startswith("add") else '"x"'
        texts += [
            f"@{alias} = {value}\n",
            f"@{name} = {value}\n{alias} = {value}\n",
            f'@"{alias}" = {value}\n',
        ]
    return [form(text) for text in texts]


def by_environment() -> list[Case]:
    cases = []
    for file in ("", "/file.sock"):
        for variables in ((), VARIABLES[:1], VARIABLES[1:], VARIABLES):
            env = {name: f"/{name.lower()}.sock" for name in variables}
            text = FILES + f'agent_address = "{file}"\n'
            cases.append(Case(f"agent_address {file!r} and {list(env)}", text.encode(), env))
    return cases


def form(text: str) -> Case:
    return Case(f"form {text!r}", text.replace("@", FILES).encode())


def crlf(case: Case) -> Case:
    return Case(f"{case.name} with CRLF", case.text.replace(b"\n", b"\r\n"), case.env)


PLAIN = [*(form(text) for text in (*WRITTEN, *JSON_WRITTEN)), *by_key(), *by_environment()]
NO_UTF8 = [
    Case(f"byte {byte:#x}", FILES.encode() + b'hint = "a' + bytes([byte]) + b'"\n')
    for byte in (0x80, 0xE9, 0xFF)
]
FORMS = [*PLAIN, *map(crlf, PLAIN), *NO_UTF8]
