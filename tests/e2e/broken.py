"""Set-ups that are really broken, for spiffe-helper doctor."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devagent import DevAgent
from helper import SANITIZERS, Helper, program, wait_until
from mounts import mounting
from terminals import state_of

NOBODY = 65534
NO_OVERRIDE = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
NAMES = {"svid_file_name": "svid.pem", "svid_key_file_name": "key.pem", "svid_bundle_file_name": "bundle.pem"}


@contextmanager
def stopped(*helpers: Helper) -> Iterator[None]:
    """Stops the running helpers with SIGSTOP, so that their state does not change."""
    running = [helper for helper in helpers if helper.running]
    for helper in running:
        helper.send(signal.SIGSTOP)
        wait_until(lambda pid=helper.pid: state_of(pid) == "T", "the helper to stop")
    try:
        yield
    finally:
        for helper in running:
            helper.send(signal.SIGCONT)


@dataclass
class Setup:
    """A valid set-up, until a test breaks it."""

    directory: Path
    agent: DevAgent
    run_helper: Callable[..., Helper]
    keys: dict[str, object] = field(default_factory=dict)
    prefix: list[str] = field(default_factory=list)
    text: str | None = None  # instead of the keys
    timeout: str = "10s"
    owned: list[subprocess.Popen[bytes]] = field(default_factory=list)
    helpers: list[Helper] = field(default_factory=list)

    @property
    def certs(self) -> Path:
        return self.directory / "certs"

    @property
    def elsewhere(self) -> Path:
        """A path for a socket other than the agent's."""
        self.keys["agent_address"] = str(self.directory / "s" / "agent.sock")
        (self.directory / "s").mkdir(exist_ok=True)
        return self.directory / "s" / "agent.sock"

    def config(self) -> str:
        keys = {"agent_address": str(self.agent.socket), "cert_dir": "certs", **NAMES, **self.keys}
        # A JSON string is a valid HCL string.
        return self.text or "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())

    def publish(self, **more: object) -> None:
        keys, self.keys = self.keys, {**self.keys, **more, "daemon_mode": False}
        assert self.run_helper(self.config()).wait() == 0
        self.keys = keys

    def start(self, **more: object) -> Helper:
        keys, self.keys = self.keys, {**self.keys, **more}
        helper = self.run_helper(self.config())
        self.helpers.append(helper)
        self.keys = keys
        helper.wait_file("certs/svid.pem")
        return helper

    def spawn(self, *words: str) -> int:
        self.owned.append(subprocess.Popen(words, stdin=subprocess.DEVNULL))
        return self.owned[-1].pid

    def spawn_ready(self, *words: str) -> None:
        """The same with a pipe as its standard input; prints a line when it is ready."""
        self.owned.append(subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE))
        ready = self.owned[-1].stdout
        assert ready is not None and ready.readline()

    def tree(self) -> list[object]:
        """Everything that could change, without access times and the running helper's log."""
        out: list[object] = []
        for path in sorted(self.directory.rglob("*")):
            info = path.lstat()
            if path.name not in {"helper.log", "stdout.txt", "events.jsonl"}:
                attributes = (info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, info.st_ino)
                out.append((str(path), attributes))
        return out

    def doctor(self) -> tuple[int, list[dict[str, str]], str]:
        (self.directory / "helper.conf").write_text(self.config())
        # Both forms of the answer must describe one state: no program starts, no generation is removed between them.
        with stopped(*self.helpers):
            before = self.tree()
            text, form = map(self.run_doctor, ("text", "json"))
            assert self.tree() == before
        assert (text.stderr, form.stderr) == (b"", b"")
        assert text.returncode == form.returncode
        answer = json.loads(form.stdout)
        assert answer["ok"] == (text.returncode == 0)
        lines = text.stdout.decode()
        for each in answer["findings"]:
            assert f"{each['grade']:<6}{each['step']}: " in lines
            assert each["hint"] or each["grade"] == "ok", each
        return text.returncode, answer["findings"], lines

    def run_doctor(self, form: str) -> subprocess.CompletedProcess[bytes]:
        words = [*self.prefix, str(program()), "doctor", "-config", "helper.conf", "-timeout", self.timeout]
        return subprocess.run(
            [*words, "-output", form],
            capture_output=True,
            cwd=self.directory,
            env=SANITIZERS | {"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            timeout=60,
        )


def no_socket(s: Setup) -> None:
    assert not s.elsewhere.exists()


def no_mount(s: Setup) -> None:
    s.keys["agent_address"] = str(s.directory / "run/spire/agent.sock")


def file_instead(s: Setup) -> None:
    s.elsewhere.write_text("")


def directory_instead(s: Setup) -> None:
    s.elsewhere.mkdir()


def socket_not_permitted(s: Setup) -> None:
    s.agent.socket.chmod(0o700)
    os.chown(s.agent.socket, NOBODY, NOBODY)
    s.prefix = NO_OVERRIDE


def directory_not_permitted(s: Setup) -> None:
    parent = s.elsewhere.parent
    parent.chmod(0o700)
    os.chown(parent, NOBODY, NOBODY)
    s.prefix = NO_OVERRIDE


def nobody_listens(s: Setup) -> None:
    s.agent.kill()


def no_grpc(s: Setup) -> None:
    path = str(s.elsewhere)
    code = "import socket,sys; s=socket.socket(1); s.bind(sys.argv[1]); s.listen(); print(1, flush=True)"
    s.spawn_ready(sys.executable, "-c", code + "; c=s.accept(); input()", path)
    s.timeout = "300ms"


def http_server(s: Setup) -> None:
    answer = "HTTP/1.1 400 Bad Request\\r\\nContent-Length: 0\\r\\n\\r\\n"
    code = (
        "import socket,sys\ns=socket.socket(1); s.bind(sys.argv[1]); s.listen(); print(1, flush=True)\n"
        f"while True:\n c=s.accept()[0]\n try:\n  if c.recv(99): c.sendall(b'{answer}')\n"
        " except OSError: pass\n c.close()"
    )
    s.spawn_ready(sys.executable, "-c", code, str(s.elsewhere))


def port_of_nobody(s: Setup) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        s.keys["agent_address"] = f"tcp://127.0.0.1:{server.getsockname()[1]}"


def token_of_another(s: Setup) -> None:
    token = {"jwt_audience": "db", "jwt_svid_file_name": "t.jwt", "spiffe_id": "spiffe://example.org/other"}
    s.text = s.config() + f"jwt_svids = [{hcl(token)}]\n"


def token_without_hint(s: Setup) -> None:
    token = {"jwt_audience": "db", "jwt_svid_file_name": "t.jwt", "hint": "internal"}
    s.text = s.config() + f"jwt_svids = [{hcl(token)}]\n"


def tokens_alone_refused(s: Setup) -> None:
    s.text = f'agent_address = "{s.agent.socket}"\ncert_dir = "certs"\njwt_bundle_file_name = "b.json"\n'
    s.agent.deny()


def hcl(keys: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in keys.items()) + "}"


def fault(name: str, argument: int | None = None) -> Callable[[Setup], None]:
    return lambda s: void(s.agent.fault(name, argument))


def void(_: object) -> None:
    pass


def deny(s: Setup) -> None:
    s.agent.deny()


def wrong_hint(s: Setup) -> None:
    s.keys["hint"] = "internal"


def missing_directory(s: Setup) -> None:
    s.certs.rmdir()


def read_only(s: Setup) -> None:
    s.prefix = mounting(f"mount --bind {s.certs} {s.certs}", f"mount -o remount,ro,bind {s.certs}")


def not_writable(s: Setup) -> None:
    os.chown(s.certs, NOBODY, NOBODY)
    s.prefix = NO_OVERRIDE


def not_to_be_made(s: Setup) -> None:
    s.keys |= {"cert_dir": "certs/a/b", "create_cert_dir": True}
    not_writable(s)


def no_subdirectory(s: Setup) -> None:
    s.keys["svid_file_name"] = "sub/svid.pem"


def linked_subdirectory(s: Setup) -> None:
    (s.directory / "sub").mkdir()
    (s.certs / "sub").symlink_to("../sub")
    s.keys["svid_file_name"] = "sub/svid.pem"


def subdirectory_not_writable(s: Setup) -> None:
    (s.certs / "sub").mkdir()
    os.chown(s.certs / "sub", NOBODY, NOBODY)
    s.keys["svid_file_name"] = "sub/svid.pem"
    s.prefix = NO_OVERRIDE


def owner_not_to_be_given(s: Setup) -> None:
    s.keys["key_owner"] = str(NOBODY)
    s.prefix = ["setpriv", "--bounding-set", "-chown"]


def group_not_to_be_given(s: Setup) -> None:
    s.keys["group"] = str(NOBODY)
    s.prefix = ["setpriv", "--bounding-set", "-chown"]


def no_directory(s: Setup) -> None:
    s.certs.rmdir()
    s.certs.write_text("")


def world_writable(s: Setup) -> None:
    s.certs.chmod(0o777)


def insecure(s: Setup) -> None:
    s.certs.chmod(0o777)
    s.keys["require_secure_dir"] = True


def locked(s: Setup) -> None:
    other = s.directory / "other"
    other.mkdir()
    helper = s.run_helper(s.config().replace('"certs"', f'"{s.certs}"'), directory=other)
    helper.wait_file(s.certs / "svid.pem")


def torn(s: Setup) -> None:
    s.publish(layout="in-place")
    old = (s.certs / "key.pem").read_bytes()
    s.agent.rotate()
    s.publish(layout="in-place")
    (s.certs / "key.pem").write_bytes(old)


def half_written(s: Setup) -> None:
    s.publish(layout="in-place")
    os.truncate(s.certs / "svid.pem", 300)


def emptied(s: Setup) -> None:
    s.publish(layout="in-place")
    os.truncate(s.certs / "key.pem", 0)


def one_missing(s: Setup) -> None:
    s.publish(layout="in-place")
    (s.certs / "key.pem").unlink()


def wrong_mode(s: Setup) -> None:
    s.publish(layout="in-place")
    (s.certs / "key.pem").chmod(0o644)


def wrong_owner(s: Setup) -> None:
    s.publish(layout="in-place")
    s.keys["key_owner"] = str(NOBODY)


def foreign_data(s: Setup) -> None:
    (s.certs / "..2026_01").mkdir()
    (s.certs / "..data").symlink_to("..2026_01")


def no_generation(s: Setup) -> None:
    (s.certs / "..data").symlink_to("..gen.18eaf77ceba53d1d")


def expired_on_disk(s: Setup) -> None:
    s.publish(layout="in-place")
    s.agent.rotate_ca()
    s.agent.rotate_ca()
    (s.certs / "bundle.pem").write_bytes(b"")
    s.agent.rotate()
    bundle = s.directory / "new"
    bundle.mkdir()
    old = (s.certs / "svid.pem").read_bytes(), (s.certs / "key.pem").read_bytes()
    s.publish(layout="in-place")
    (s.certs / "svid.pem").write_bytes(old[0])
    (s.certs / "key.pem").write_bytes(old[1])
    bundle.rmdir()


def command_missing(s: Setup) -> None:
    s.keys |= {"cmd": "no-such-program", "renew_signal": "SIGHUP"}


def command_with_arguments(s: Setup) -> None:
    s.keys["cmd"] = "/bin/sleep 600"


def command_not_executable(s: Setup) -> None:
    (s.directory / "run.sh").write_text("#!/bin/sh\n")
    s.keys |= {"cmd": str(s.directory / "run.sh"), "renew_signal": "SIGHUP"}


def script(content: str) -> Callable[[Setup], None]:
    def write(s: Setup) -> None:
        (s.directory / "run.sh").write_text(content)
        (s.directory / "run.sh").chmod(0o755)
        s.keys |= {"cmd": str(s.directory / "run.sh"), "renew_signal": "SIGHUP"}

    return write


def renew_command_missing(s: Setup) -> None:
    s.keys["renew_cmd"] = ["/no/such/program"]


def signal_not_caught(s: Setup) -> None:
    keys = {"cmd": "/bin/sleep", "cmd_args": ["600"], "renew_signal": "SIGUSR2"}
    s.keys |= keys
    s.start().wait_children(1)


def ignores(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nSigIgn:")[2].split()[0], 16) >> (number - 1) & 1 == 1


def signal_ignored(s: Setup) -> None:
    keys = {"cmd": "/bin/sh", "cmd_args": ["-c", "trap '' USR2; while :; do sleep 1; done"], "renew_signal": "SIGUSR2"}
    s.keys |= keys
    (child,) = s.start().wait_children(1)
    wait_until(lambda: ignores(child, signal.SIGUSR2), "the shell to ignore the signal")


def pid_file_stale(s: Setup) -> None:
    pid = s.spawn("/bin/true")
    s.owned[-1].wait()
    (s.directory / "pid").write_text(f"{pid}\n")
    s.keys |= {"pid_file_name": "pid", "renew_signal": "SIGHUP"}


def pid_file_missing(s: Setup) -> None:
    s.keys |= {"pid_file_name": "pid", "renew_signal": "SIGHUP"}


def pid_file_garbage(s: Setup) -> None:
    (s.directory / "pid").write_text("me\n")
    s.keys |= {"pid_file_name": "pid", "renew_signal": "SIGHUP"}


def pid_file_of_one_who_does_not_catch(s: Setup) -> None:
    (s.directory / "pid").write_text(f"{s.spawn('/bin/sleep', '600')}\n")
    s.keys |= {"pid_file_name": "pid", "renew_signal": "SIGHUP"}


def port_taken(s: Setup) -> None:
    code = "import socket; s=socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); s.accept()"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    s.owned.append(process)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    health = f'health_checks {{\n listener_enabled = true\n bind_port = {port}\n bind_address = "127.0.0.1"\n}}\n'
    s.text = s.config() + health


def health_socket(path: str) -> Callable[[Setup], None]:
    def configure(s: Setup) -> None:
        (s.directory / "file").write_text("")
        s.text = s.config() + f'health_checks {{\n listener_enabled = true\n unix_socket = "{path}"\n}}\n'

    return configure


def health_socket_taken(s: Setup) -> None:
    health_socket(str(s.agent.socket))(s)


def typo_in_a_key(s: Setup) -> None:
    s.text = s.config() + 'renew_sginal = "SIGHUP"\n'


def ignored_key(s: Setup) -> None:
    s.keys["timeout"] = "3s"


def typo(s: Setup) -> None:
    s.text = s.config() + "= x\n"


def bad_address(s: Setup) -> None:
    s.keys["agent_address"] = "http://127.0.0.1:80"


def no_configuration(s: Setup) -> None:
    s.text = f'agent_address = "{s.agent.socket}"\n'


def camel_case(s: Setup) -> None:
    s.text = s.config().replace("svid_file_name", "svidFileName")


def full_disk(s: Setup) -> None:
    fill = f"head -c 300k /dev/zero 2>/dev/null >{s.certs}/x || true"
    s.prefix = mounting(f"mount -t tmpfs -o size=256k,mode=0755 none {s.certs}", fill)


def no_inodes(s: Setup) -> None:
    s.prefix = mounting(f"mount -t tmpfs -o nr_inodes=8,mode=0755 none {s.certs}")
