"""A disk that hangs: a helper whose fsync(2), or another call, does not return until the test allows it.

    helper = run_helper(config, prefix=stalling.PREFIX)
    with Disk(helper) as disk:      # fsync works
        disk.stall()                # from now on it does not return
        disk.wait_stalled()         # a thread of the helper is in it
        disk.flow()                 # and continues

This file is also the prefix: it sets a seccomp filter that passes each such call to the holder of the listener, a
descriptor that the helper inherits and the test takes from it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import struct
import sys
import threading

from helper import SLOW, TIMEOUT_S, Helper, wait_until

PREFIX = [sys.executable, __file__, "fsync"]
# The first such call on a directory while it is opened.
AT_OPENING = [sys.executable, __file__, "flock"]
CALLS, SECCOMP, AUDIT_ARCH = {
    "x86_64": ({"fsync": 74, "flock": 73}, 317, 0xC000003E),
    "aarch64": ({"fsync": 82, "flock": 32}, 277, 0xC00000B7),
}[platform.machine()]
PIDFD_GETFD = 438
LISTENER = 9
# linux/seccomp.h, linux/filter.h, linux/prctl.h
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER = 1, 1 << 3
RET_ALLOW, RET_USER_NOTIF = 0x7FFF0000, 0x7FC00000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NOTIF_RECV, NOTIF_SEND, NOTIF_SIZE = 0xC0502100, 0xC0182101, 80
CONTINUE = 1
PR_SET_NO_NEW_PRIVS = 38

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def install_filter(call: str) -> int:
    """Passes this call to a listener; returns its descriptor."""
    program = [
        struct.pack("HBBI", LOAD, 0, 0, 4),  # the architecture
        struct.pack("HBBI", JUMP_IF_EQUAL, 0, 3, AUDIT_ARCH),
        struct.pack("HBBI", LOAD, 0, 0, 0),  # the call
        struct.pack("HBBI", JUMP_IF_EQUAL, 0, 1, CALLS[call]),
        struct.pack("HBBI", RETURN, 0, 0, RET_USER_NOTIF),
        struct.pack("HBBI", RETURN, 0, 0, RET_ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(program))
    descriptor = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    return checked(
        libc.syscall(SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, descriptor)
    )


class Disk:
    def __init__(self, helper: Helper) -> None:
        pidfd = os.pidfd_open(helper.pid)
        # The prefix may not have set its filter yet.
        self._listener = wait_until(lambda: take_descriptor(pidfd, LISTENER), "the listener")
        os.close(pidfd)
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self.calls = 0  # allowed so far
        self._stalling = False
        self._let_through = 0
        self._over = os.eventfd(0)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Disk:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.eventfd_write(self._over, 1)
        self._flowing.set()
        self._thread.join()
        os.close(self._over)
        os.close(self._listener)

    def stall(self, after: int = 0) -> None:
        """Lets `after` more calls through, and then none."""
        with self._lock:
            self._let_through = after
            self._stalling = True
            if after == 0:
                self._flowing.clear()

    def flow(self) -> None:
        with self._lock:
            self._stalling = False
            self._flowing.set()

    def wait_stalled(self) -> None:
        wait_until(lambda: not self._flowing.is_set(), "the calls that are let through")
        ready = select.select([self._listener], [], [], TIMEOUT_S * SLOW)[0]
        assert ready, "no thread of the helper makes the call"

    def _serve(self) -> None:
        while self._over not in select.select([self._listener, self._over], [], [])[0]:
            with self._lock:
                if self._flowing.is_set() and not self._let_one_go():
                    return
            self._flowing.wait()

    def _let_one_go(self) -> bool:
        """Returns false if the helper has ended."""
        request = bytearray(NOTIF_SIZE)
        try:
            fcntl.ioctl(self._listener, NOTIF_RECV, request)
            # Counted before it continues, so that its effects are never seen before the count.
            self.calls += 1
            fcntl.ioctl(self._listener, NOTIF_SEND, bytes(request[:8]) + struct.pack("qiI", 0, 0, CONTINUE))
        except OSError:
            return False
        if self._stalling:
            self._let_through -= 1
            if self._let_through == 0:
                self._flowing.clear()
        return True


def take_descriptor(pidfd: int, number: int) -> int | None:
    taken: int = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
    return taken if taken >= 0 else None


def main() -> None:
    call, program = sys.argv[1:3]
    os.dup2(install_filter(call), LISTENER)
    os.set_inheritable(LISTENER, True)
    os.execvp(program, sys.argv[2:])


if __name__ == "__main__":
    main()
