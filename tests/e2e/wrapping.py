"""Command lines of a helper that wraps a program, without a configuration file."""

from __future__ import annotations

from devagent import DevAgent
from helper import Helper, LogLine, wait_until
from published import hcl, settings

# A shell that ends with code 3 on SIGTERM.
OBEDIENT = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"
# A shell that ignores SIGTERM, together with its child.
DEAF = "trap '' TERM; sleep 36000 & echo $!; echo ready; wait"


def wrap(agent: DevAgent | None, *command: object, **keys: object) -> list[str]:
    """For run_helper(command=…). The program may be among the keys, as in Recorder.keys()."""
    words = list(command)
    if "cmd" in keys:
        arguments = keys.pop("cmd_args", [])
        assert isinstance(arguments, list)
        words = [keys.pop("cmd"), *arguments]
    flags = []
    for key, value in settings(agent, **keys).items():
        text = hcl(value) if isinstance(value, bool) else str(value)
        flags.append(f"-{key.replace('_', '-')}={text}")
    return ["run", *flags, "--", *map(str, words)]


def wait_event(helper: Helper, kind: str, since: int = 0, timeout: float = 10.0) -> LogLine:
    return helper.wait_log(lambda line: line.fields.get("event") == kind, timeout, since)


def wait_stdout(helper: Helper, text: str = "ready", timeout: float = 10.0) -> list[str]:
    """The lines that the child has printed, once `text` is one of them."""

    def lines() -> list[str]:
        whole = helper.stdout().rpartition("\n")[0].splitlines()
        return whole if text in whole else []

    return wait_until(lines, f"the child to say {text!r}", timeout)
