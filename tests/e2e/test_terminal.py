"""A wrapped program on a terminal: it is in the foreground, and ^C and ^Z work as without the helper."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from children import Recorder, wait_gone
from devagent import DevAgent
from helper import TIMEOUT_S, program, wait_until
from published import config, make_certs
from terminals import END, INTERRUPT, QUIT, SUSPEND, Shell, Terminal, state_of
from wrapping import wrap

LOGGED = ["sh", "-c", 'exec "$@" 2>>helper.log', "sh"]


@pytest.fixture(autouse=True)
def certs(workdir: Path) -> None:
    make_certs(workdir)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def program_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def wait_stopped(*pids: int) -> None:
    for pid in pids:
        wait_until(lambda pid=pid: state_of(pid) == "T", f"{pid} to be stopped")  # type: ignore[misc]


def wait_running(*pids: int) -> None:
    for pid in pids:
        wait_until(lambda pid=pid: state_of(pid) != "T", f"{pid} to be continued")  # type: ignore[misc]


def check_cat(terminal: Terminal, child: int, text: str = "hello") -> None:
    """Checks that it has the terminal and answers."""
    terminal.wait_foreground(child)
    terminal.type(f"{text}\n")
    terminal.expect(text, 2)


def test_interrupted(agent: DevAgent, workdir: Path) -> None:
    with Shell(workdir, wrap(agent, "cat")) as shell:
        child = shell.run()
        check_cat(shell, child)
        shell.type(INTERRUPT)
        shell.expect_code(130)
        assert "killed by SIGINT" in shell.log()
        assert "Received SIG" not in shell.log(), "it is the program's to end, not ours"


def test_quit(agent: DevAgent, workdir: Path) -> None:
    script = "trap 'echo bye; exit 4' QUIT; echo ready; read line"
    with Shell(workdir, wrap(agent, "sh", "-c", script)) as shell:
        shell.wait_foreground(shell.run())
        shell.expect("ready")
        shell.type(QUIT)
        shell.expect("bye")
        shell.expect_code(4)


def test_a_program_that_catches_the_interrupt_continues(agent: DevAgent, workdir: Path) -> None:
    """Like a shell, a database client or a debugger."""
    inner = "exec bash --norc --noprofile --noediting -i 2>&1"
    with Shell(workdir, wrap(agent, "sh", "-c", inner)) as shell:
        child = shell.run()
        shell.wait_foreground(child)
        shell.type("echo there-$((6 * 7))\n")
        shell.expect("there-42")
        shell.expect("$ ")
        shell.type(INTERRUPT)
        shell.expect("$ ")
        shell.type("echo still-$((6 * 7))\n")
        shell.expect("still-42")
        assert state_of(child) != "T"
        # Its jobs are its own.
        shell.type("sleep 36000\n")
        # Not before it has become that program: bash ignores ^Z, even when it is about to exec.
        wait_until(lambda: program_of(shell.foreground()) == "sleep", "a job of its own")
        shell.type(SUSPEND)
        shell.wait_foreground(child)
        shell.expect("Stopped")
        shell.type("kill -KILL %1; exec sh -c 'exit 6'\n")  # it does not exit before it has noticed that
        shell.expect_code(6)


def test_suspended_and_continued(agent: DevAgent, workdir: Path) -> None:
    with Shell(workdir, wrap(agent, "cat")) as shell:
        child = shell.run()
        helper = parent_of(child)
        for round_ in ("one", "two", "three"):
            check_cat(shell, child, round_)
            shell.type(SUSPEND)
            shell.expect("Stopped")
            shell.wait_foreground(shell.process.pid)
            wait_stopped(child, helper)
            shell.type("fg\n")
        check_cat(shell, child)
        shell.type(END)
        shell.expect_code(0)


def test_in_the_background(agent: DevAgent, workdir: Path) -> None:
    with Shell(workdir, wrap(agent, "sleep", "36000")) as shell:
        child = shell.run()
        helper = parent_of(child)
        shell.wait_foreground(child)
        shell.type(SUSPEND)
        shell.expect("Stopped")
        shell.type("bg\n")
        wait_running(child, helper)
        assert shell.foreground() == shell.process.pid
        shell.type("kill %1; wait %1\n")
        shell.wait_log("Exiting")
        shell.expect_code(143)


def test_a_program_that_reads_in_the_background_stops(agent: DevAgent, workdir: Path) -> None:
    with Shell(workdir, wrap(agent, "cat")) as shell:
        child = shell.run('"${words[@]}" &')
        helper = parent_of(child)
        shell.wait_stopped()
        wait_stopped(child, helper)
        assert shell.foreground() == shell.process.pid
        shell.type("fg\n")
        check_cat(shell, child)
        shell.type(INTERRUPT)
        shell.expect_code(130)


def test_brought_to_the_foreground_while_it_runs(agent: DevAgent, workdir: Path) -> None:
    """There is no signal for that: the terminal is lent when the program asks for it."""
    script = "while [ ! -e go ]; do sleep 0.01; done; exec cat"
    with Shell(workdir, wrap(agent, "sh", "-c", script)) as shell:
        child = shell.run('"${words[@]}" &')
        shell.type("fg\n")
        shell.wait_foreground(parent_of(child))
        (workdir / "go").touch()
        check_cat(shell, child)
        shell.type(SUSPEND)
        shell.expect("Stopped")
        shell.type("fg\n")
        check_cat(shell, child)
        shell.type(END)
        shell.expect_code(0)


def test_a_program_that_stops_itself(agent: DevAgent, workdir: Path) -> None:
    """With SIGSTOP, like shells and other programs that ignore ^Z."""
    with Shell(workdir, wrap(agent, "sh", "-c", "kill -STOP $$; exec cat")) as shell:
        child = shell.run()
        shell.expect("Stopped")
        shell.wait_foreground(shell.process.pid)
        wait_stopped(child, parent_of(child))
        shell.type("fg\n")
        check_cat(shell, child)
        shell.type(END)
        shell.expect_code(0)


def test_a_program_stopped_in_the_background(agent: DevAgent, workdir: Path) -> None:
    """Another process stopped it: rotations continue."""
    with Shell(workdir, wrap(agent, "sleep", "36000")) as shell:
        child = shell.run('"${words[@]}" &')
        os.kill(child, signal.SIGSTOP)
        wait_stopped(child)
        agent.rotate()
        shell.wait_log("certificates updated", 2)
        assert state_of(child) == "T"
        shell.type("kill %1; wait %1\n")
        shell.expect_code(143)


def test_suspended_while_the_terminal_is_still_ours(agent: DevAgent, workdir: Path) -> None:
    with Shell(workdir, wrap(agent, "sleep", "36000")) as shell:
        child = shell.run('"${words[@]}" &')
        helper = parent_of(child)
        shell.type("fg\n")
        shell.wait_foreground(helper)
        shell.type(SUSPEND)
        shell.expect("Stopped")
        wait_stopped(child, helper)
        shell.type("fg\n")
        shell.wait_foreground(child)
        shell.type(INTERRUPT)
        shell.expect_code(130)


PIPES = {
    "of a shell": '"${words[@]}" | cat',
    "of a script": "sh -c '\"$@\" 2>>helper.log | cat; exit 5' sh \"${words[@]}\"",
}


@pytest.mark.parametrize("where", PIPES)
def test_in_a_pipe(agent: DevAgent, workdir: Path, where: str) -> None:
    with Shell(workdir, wrap(agent, "cat")) as shell:
        child = shell.run(PIPES[where])
        helper = parent_of(child)
        check_cat(shell, child)
        shell.type(SUSPEND)
        shell.expect("Stopped")
        shell.wait_foreground(shell.process.pid)
        wait_stopped(child, helper)
        shell.type("fg\n")
        check_cat(shell, child)
        shell.type(INTERRUPT)
        shell.expect_code(5 if where == "of a script" else 0)
        wait_gone(helper)


WAIT_AND_READ = 'while [ ! -e go ]; do sleep 0.01; done; read line </dev/tty; echo "got $line"'


def test_a_pager_after_us(agent: DevAgent, workdir: Path) -> None:
    """It is in our process group, and cannot read while the program has the terminal."""
    with Shell(workdir, wrap(agent, "sleep", "36000")) as shell:
        child = shell.run(f"\"${{words[@]}}\" | sh -c '{WAIT_AND_READ}; exec sleep 36000'")
        helper = parent_of(child)
        shell.wait_foreground(child)
        (workdir / "go").touch()
        shell.wait_foreground(helper)
        shell.type("hello\n")
        shell.expect("got hello")
        shell.type(SUSPEND)
        shell.expect("Stopped")
        wait_stopped(child, helper)
        shell.type("fg\n")
        shell.wait_foreground(child)
        os.kill(helper, signal.SIGTERM)
        shell.wait_foreground(helper)
        shell.type(INTERRUPT)
        wait_gone(helper)


def test_in_the_background_of_a_script(agent: DevAgent, workdir: Path) -> None:
    """The script keeps using the terminal."""
    script = f'"$@" 2>>helper.log & {WAIT_AND_READ}; kill $!; wait $!'
    words = ["sh", "-c", script, "sh", program(), *wrap(agent, "sleep", "36000")]
    with Terminal(workdir, words) as terminal:
        terminal.wait_child()
        assert terminal.foreground() == terminal.process.pid
        (workdir / "go").touch()
        terminal.type("hello\n")
        terminal.expect("got hello")
        assert terminal.process.wait(TIMEOUT_S) == 143


def test_without_a_shell(agent: DevAgent, workdir: Path) -> None:
    """Started as by `docker run -it`: no shell would continue a program that ^Z has stopped."""
    with Terminal(workdir, [*LOGGED, program(), *wrap(agent, "cat")]) as terminal:
        child = terminal.wait_child()
        assert parent_of(child) == terminal.process.pid
        for text in ("one", "two", "three"):
            check_cat(terminal, child, text)
            terminal.type(SUSPEND)
            terminal.expect("^Z")
        check_cat(terminal, child)
        terminal.type(INTERRUPT)
        assert terminal.process.wait(TIMEOUT_S) == 130


def test_an_editor(agent: DevAgent, workdir: Path) -> None:
    with Shell(workdir, wrap(agent, "vi", "-u", "NONE", "-i", "NONE", "-n", "text")) as shell:
        child = shell.run()
        shell.wait_foreground(child)
        shell.expect("[New")
        shell.type("ihello\x1b:w\n")
        wait_until((workdir / "text").exists, "the file to be written")
        shell.type(SUSPEND)
        shell.expect("Stopped")
        wait_stopped(child)
        shell.type("fg\n")
        shell.wait_foreground(child)
        shell.type("oagain\x1b:wq\n")
        shell.expect_code(0)
    assert (workdir / "text").read_text() == "hello\nagain\n"


def test_each_new_child_gets_the_terminal(agent: DevAgent, workdir: Path) -> None:
    with Shell(workdir, wrap(agent, "cat", on_rotate="restart")) as shell:
        for number in (1, 2, 3):
            child = shell.run() if number == 1 else shell.wait_child(number)
            check_cat(shell, child, f"number-{number}")
            agent.rotate()
        shell.wait_foreground(shell.wait_child(4))
        shell.type(INTERRUPT)
        shell.expect_code(130)


def test_terminated_while_suspended(agent: DevAgent, workdir: Path) -> None:
    with Shell(workdir, wrap(agent, "cat")) as shell:
        child = shell.run()
        shell.wait_foreground(child)
        shell.type(SUSPEND)
        shell.expect("Stopped")
        wait_stopped(child)
        helper = parent_of(child)
        shell.type("kill %1\n")  # which sends SIGCONT as well
        wait_gone(helper)
        shell.type("\n")
        shell.expect("Exit 143")


def test_under_script(agent: DevAgent, workdir: Path) -> None:
    words = wrap(agent, "sh", "-c", "test -t 0 && test -t 1 && exit 7")
    command = shlex.join([str(program()), *words])
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=workdir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    assert done.returncode == 7


def test_suspended_before_there_is_a_child(run_agent: Callable[..., DevAgent], workdir: Path) -> None:
    agent = run_agent("-fault", "deny")
    with Shell(workdir, wrap(agent, "cat")) as shell:
        shell.type('"${words[@]}" 2>>helper.log\n')
        shell.wait_log("PermissionDenied")
        shell.type(SUSPEND)
        shell.expect("Stopped")
        shell.type("fg\n")
        agent.allow()
        check_cat(shell, shell.wait_child())
        shell.type(INTERRUPT)
        shell.expect_code(130)


def test_a_job_is_suspended_with_us(agent: DevAgent, workdir: Path) -> None:
    (workdir / "helper.conf").write_text(config(agent, cmd="sleep", cmd_args="36000"))
    with Shell(workdir, ["-config", "helper.conf"]) as shell:
        child = shell.run()
        helper = parent_of(child)
        shell.type(SUSPEND)
        shell.expect("Stopped")
        wait_stopped(child, helper)
        shell.type("fg\n")
        wait_running(child, helper)
        agent.rotate()
        shell.wait_log("certificates updated", 2)
        shell.type(INTERRUPT)
        shell.expect_code(0)


# The terminal goes away.


def test_a_job_ends_with_its_terminal(agent: DevAgent, workdir: Path) -> None:
    """In this case SIGHUP does not request a reload."""
    recorder = Recorder(workdir)
    (workdir / "helper.conf").write_text(config(agent, **recorder.keys()))
    with Terminal(workdir, [*LOGGED, program(), "-config", "helper.conf"]) as terminal:
        child = recorder.wait("started")["pid"]
        os.kill(terminal.process.pid, 1)
        terminal.wait_log("Configuration reloaded")  # with the terminal, it requests a reload
        terminal.hang_up()
        assert terminal.process.wait(TIMEOUT_S) == 0
        wait_gone(child)
        assert "terminal has hung up" in terminal.log()
        assert recorder.events()[-1]["event"] == "SIGTERM"


def test_a_job_under_nohup_outlives_its_terminal(agent: DevAgent, workdir: Path) -> None:
    (workdir / "helper.conf").write_text(config(agent, cmd="sleep", cmd_args="36000"))
    words = [*LOGGED, "nohup", program(), "-config", "helper.conf"]
    with Terminal(workdir, words) as terminal:
        child = terminal.wait_child()
        terminal.hang_up()
        terminal.wait_log("Configuration reloaded")
        agent.rotate()
        terminal.wait_log("certificates updated", 2)
        assert "child_exited" not in terminal.log()
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(TIMEOUT_S) == 0
        wait_gone(child)


def test_nohup_without_a_program(run_agent: Callable[..., DevAgent], workdir: Path) -> None:
    agent = run_agent("-fault", "deny")
    words = [*LOGGED, "nohup", program(), *wrap(agent, "sh", "-c", "exit 3", log_level="debug")]
    with Terminal(workdir, words) as terminal:
        terminal.wait_log("PermissionDenied")
        terminal.hang_up()
        terminal.wait_log("SIGHUP is not passed on")
        agent.clear()
        assert terminal.process.wait(TIMEOUT_S) == 3


def test_a_wrapped_program_decides_at_a_hang_up(agent: DevAgent, workdir: Path) -> None:
    script = "trap 'exit 3' HUP; echo ready; while :; do sleep 0.01; done"
    with Terminal(workdir, [*LOGGED, program(), *wrap(agent, "sh", "-c", script)]) as terminal:
        terminal.expect("ready")
        terminal.hang_up()
        assert terminal.process.wait(TIMEOUT_S) == 3


def test_a_hang_up_without_a_program(run_agent: Callable[..., DevAgent], workdir: Path) -> None:
    """No user waits for its start any more."""
    agent = run_agent("-fault", "deny")
    with Terminal(workdir, [*LOGGED, program(), *wrap(agent, "cat")]) as terminal:
        terminal.wait_log("PermissionDenied")
        os.kill(terminal.process.pid, 1)  # with the terminal, it has no effect
        terminal.hang_up()
        assert terminal.process.wait(TIMEOUT_S) == 129
        assert "terminal has hung up" in terminal.log()


def test_a_hang_up_between_two_starts(agent: DevAgent, workdir: Path) -> None:
    """No start succeeds: whenever the signal comes, there is no child."""
    words = wrap(agent, workdir / "nothing", restart="always")
    with Terminal(workdir, [*LOGGED, program(), *words]) as terminal:
        terminal.wait_log("it is tried again in")
        terminal.hang_up()
        assert terminal.process.wait(TIMEOUT_S) == 127
        assert "terminal has hung up" in terminal.log()
