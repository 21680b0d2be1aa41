"""A child for the helper: leaves orphans behind, and processes in separate sessions.

    orphans.py COUNT [--exit CODE] [--deaf] [--elsewhere COMMAND …]

Prints "left" when COUNT processes have lost their parents and are about to end, and when the remaining ones, also
orphans, are in separate sessions: the command of --elsewhere and, with --deaf, one that ignores
SIGTERM. Then it exits with CODE, or waits for SIGTERM and exits with 3.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys


def orphan(work: object) -> None:
    """Runs it in a process whose parent has ended."""
    between = os.fork()
    if between == 0:
        if os.fork() == 0:
            try:
                work()  # type: ignore[operator]
            finally:
                os._exit(0)
        os._exit(0)
    os.waitpid(between, 0)


def elsewhere(ready: int, command: list[str]) -> None:
    os.setsid()
    os.write(ready, b".")
    os.execvp(command[0], command)


def deaf(ready: int) -> None:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.write(ready, b".")
    while True:
        signal.pause()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--exit", type=int)
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--elsewhere", nargs=argparse.REMAINDER, default=[])
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    said, say = os.pipe()
    for _ in range(options.count):
        orphan(lambda: os.write(say, b"."))
    expected = options.count
    if options.elsewhere:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        orphan(lambda: elsewhere(say, options.elsewhere))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        expected += 1
    if options.deaf:
        orphan(lambda: deaf(say))
        expected += 1
    while expected > 0:
        expected -= len(os.read(said, 65536))
    print("left", flush=True)
    if options.exit is not None:
        sys.exit(options.exit)
    signal.sigwait([signal.SIGTERM])
    sys.exit(3)


if __name__ == "__main__":
    main()
