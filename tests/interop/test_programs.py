"""Real programs that cannot use our files as they are: HAProxy by prepare_cmd, redis by renew_cmd."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import certs
import pytest
from devagent import DevAgent
from helper import SLOW, Helper, Run, wait_until
from ports import free_port
from published import BUNDLE, KEY, SVID, agent_serial, config, lines_of, make_certs, rotate, wait_published

ROTATIONS = 5


def installed(name: str) -> str:
    found = shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"not run: {name} is not installed; scripts/install-deps.sh test installs it")
    return found


@pytest.fixture
def agent() -> Iterator[DevAgent]:
    with tempfile.TemporaryDirectory(prefix="sa-") as directory, DevAgent(Path(directory)) as running:
        yield running


def served(port: int) -> int | None:
    """The serial number of the certificate that a new connection gets; None before there is one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5 * SLOW) as plain,
            context.wrap_socket(plain) as connection,
        ):
            leaf = connection.getpeercert(binary_form=True)
    except OSError:
        return None
    assert leaf is not None
    return certs.serial(ssl.DER_cert_to_PEM_cert(leaf).encode())


def catches(pid: int, number: int) -> bool:
    status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    caught, blocked = (int(status[name], 16) >> (number - 1) & 1 for name in ("SigCgt", "SigBlk"))
    return caught > blocked


def check_rotations(agent: DevAgent, helper: Helper, port: int, reload: int = 0) -> None:
    """Each new certificate is served by the same process, without an error.

    `reload`: the signal that reloads the program, which ignores it while it loads.
    """
    wait_published(helper)
    wait_until(lambda: served(port) == agent_serial(agent), "the first certificate")
    (program,) = helper.children()
    for _ in range(ROTATIONS):
        if reload:
            wait_until(lambda: catches(program, reload), "the end of loading")
        serial = rotate(agent, helper)
        wait_until(lambda serial=serial: served(port) == serial, "the new certificate")
    assert len(lines_of(helper, "child_started")) == 1
    assert lines_of(helper, "child_exited") == []
    assert [line.raw for line in helper.log if line.level == "error"] == []


def test_haproxy_reads_a_combined_file_that_prepare_cmd_makes(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    haproxy = installed("haproxy")
    make_certs(workdir)
    port = free_port()
    (workdir / "haproxy.cfg").write_text(f"""\
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend site
    bind 127.0.0.1:{port} ssl crt {workdir}/site.pem
    http-request return status 200
""")
    script = (
        'umask 077; cd "$SPIFFE_HELPER_CERT_DIR" && '
        f"cat {SVID} {KEY} > {workdir}/site.new && mv {workdir}/site.new {workdir}/site.pem"
    )
    keys = {
        "cmd": haproxy,
        "cmd_args": ["-W", "-db", "-f", str(workdir / "haproxy.cfg")],
        "renew_signal": "SIGUSR2",
        "prepare_cmd": ["sh", "-c", script],
    }
    helper = run_helper(config(agent, **keys))
    check_rotations(agent, helper, port, reload=signal.SIGUSR2)
    assert len(lines_of(helper, "prepare_cmd_succeeded")) == 1 + ROTATIONS
    # Whole, and of one publication.
    svid, mark, key = (workdir / "site.pem").read_bytes().partition(b"-----BEGIN PRIVATE KEY-----")
    assert certs.pair_matches(svid, mark + key)
    assert helper.stop() == 0


def test_redis_is_given_new_files_by_renew_cmd(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    redis, client = installed("redis-server"), installed("redis-cli")
    make_certs(workdir)
    port = free_port()
    names = {"tls-cert-file": SVID, "tls-key-file": KEY, "tls-ca-cert-file": BUNDLE}
    files = {option: str(workdir / "certs" / name) for option, name in names.items()}
    options = files | {
        "port": "0",
        "bind": "127.0.0.1",
        "tls-port": str(port),
        "tls-auth-clients": "no",
        "unixsocket": str(workdir / "redis.sock"),
        "save": "",
        "dir": str(workdir),
    }
    set_files = [word for pair in files.items() for word in pair]
    keys = {
        "cmd": redis,
        "cmd_args": [word for option, value in options.items() for word in (f"--{option}", value)],
        # -e: otherwise its exit code is 0 even for an error of the server.
        "renew_cmd": [client, "-e", "-s", str(workdir / "redis.sock"), "CONFIG", "SET", *set_files],
    }
    helper = run_helper(config(agent, **keys))
    check_rotations(agent, helper, port)
    wait_until(lambda: len(lines_of(helper, "renew_cmd_succeeded")) == ROTATIONS, "the end of the last run")
    # None at the start, when redis itself reads the files.
    assert len(lines_of(helper, "renew_cmd_started")) == ROTATIONS
    assert helper.stop() == 0
