"""Runs a program with one system call refused by the kernel: without_call.py NAME PROGRAM ARGUMENT…

Like a container's seccomp profile, which answers ENOSYS; works for any user.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"timerfd_create": 283, "signalfd4": 289, "eventfd2": 290},
    "aarch64": {"eventfd2": 19, "signalfd4": 74, "timerfd_create": 85},
}
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
RETURN_ERRNO = 0x00050000
RETURN_ALLOW = 0x7FFF0000
LOAD_WORD = 0x20  # at an offset of struct seccomp_data, whose first member is the call's number
JUMP_IF_EQUAL = 0x15
RETURN = 0x06


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def refuse(number: int) -> None:
    instructions = b"".join(
        struct.pack("HBBI", *each)
        for each in (
            (LOAD_WORD, 0, 0, 0),
            (JUMP_IF_EQUAL, 0, 1, number),
            (RETURN, 0, 0, RETURN_ERRNO | errno.ENOSYS),
            (RETURN, 0, 0, RETURN_ALLOW),
        )
    )
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = Program(len(instructions) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    for option, *rest in (
        (PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero),
        (PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(program)),
    ):
        if libc.prctl(option, *rest, zero, zero) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse(NUMBERS[platform.machine()][sys.argv[1]])
    os.execv(sys.argv[2], sys.argv[2:])
