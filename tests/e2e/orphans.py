"""A child for the helper to start: leaves orphans behind, and processes in sessions of their own.

    orphans.py COUNT [--exit CODE] [--deaf] [--elsewhere COMMAND …]

Prints "left" when COUNT processes have lost their parents and ended. Before that it has started, also as
orphans in other sessions, the command of --elsewhere and, with --deaf, one that does not take SIGTERM. Then it
exits with CODE, or waits for SIGTERM and exits with 3.
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


def elsewhere(command: list[str]) -> None:
    os.setsid()
    os.execvp(command[0], command)


def deaf() -> None:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
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
    ended, end = os.pipe()
    for _ in range(options.count):
        orphan(lambda: os.write(end, b"."))
    count = 0
    while count < options.count:
        count += len(os.read(ended, 65536))
    if options.elsewhere:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        orphan(lambda: elsewhere(options.elsewhere))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    if options.deaf:
        orphan(deaf)
    print("left", flush=True)
    if options.exit is not None:
        sys.exit(options.exit)
    signal.sigwait([signal.SIGTERM])
    sys.exit(3)


if __name__ == "__main__":
    main()
