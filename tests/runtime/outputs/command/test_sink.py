"""A command for each event: what it gets, how it ends, what it leaves behind."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from example_lines import ONE_OF_EACH, event

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.command.sink import MAX_MESSAGE_BYTES, Hook
from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.sink import OutputError

EVENT = event(source="Küche", sentence="2.1 kHz: 3 dB louder; rm -rf /")
LONG_EVENT = replace(EVENT, sentence="x" * 300_000)

Script = Callable[..., str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """`script(text)`: a command that runs it as a shell script, in `tmp_path`."""

    def write(text: str) -> str:
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write


def gone(pid: int) -> bool:
    """A process has ended; who it was left to may not have noticed yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited for nothing"
        time.sleep(0.01)


def children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def test_the_command_reads_the_line_as_json(script: Script, tmp_path: Path) -> None:
    Hook(script("cat > line")).deliver(EVENT)
    assert json.loads((tmp_path / "line").read_text()) == EVENT.to_dict()


def test_a_long_line_arrives_whole(script: Script, tmp_path: Path) -> None:
    Hook(script("sleep .1; wc -c > count")).deliver(LONG_EVENT)
    assert int((tmp_path / "count").read_text()) > 300_000


def test_the_command_is_split_as_by_a_shell_but_no_shell_runs_it(
    script: Script, tmp_path: Path
) -> None:
    path = script("""printf '%s\\n' "$@" > arguments""")
    Hook(f"{path} 'two words' $HOME ; '*' \"|\"").deliver(EVENT)
    assert (tmp_path / "arguments").read_text().splitlines() == [
        "two words",
        "$HOME",
        ";",
        "*",
        "|",
    ]


def test_only_events_are_wanted() -> None:
    hook = Hook("true")
    assert [line.type for line in ONE_OF_EACH if hook.wants(line)] == ["event"]


def test_a_command_that_does_not_read_is_no_failure() -> None:
    Hook("true").deliver(LONG_EVENT)


def test_the_output_of_the_command_is_discarded(capfd: pytest.CaptureFixture[str]) -> None:
    Hook("echo hello").deliver(EVENT)
    assert capfd.readouterr() == ("", "")


def test_a_failure_is_reported_with_the_end_of_its_stderr(script: Script) -> None:
    with pytest.raises(
        OutputError, match=r"script: ended with exit code 3: .*no route to host$"
    ) as caught:
        Hook(
            script("seq 100000 >&2; printf '\\033[31mno  route\\nto host\\n' >&2; exit 3")
        ).deliver(EVENT)
    assert len(str(caught.value)) < MAX_MESSAGE_BYTES + 200 and str(caught.value).isprintable()


def test_the_signal_that_ended_the_command_is_reported(script: Script) -> None:
    with pytest.raises(OutputError, match=r"was ended by signal 15$"):
        Hook(script("kill $$")).deliver(EVENT)


def test_arguments_are_not_in_the_report(script: Script) -> None:
    with pytest.raises(OutputError) as caught:
        Hook(f"{script('exit 1')} --token hunter2").deliver(EVENT)
    assert "hunter2" not in str(caught.value)


def test_after_the_time_limit_the_whole_group_is_killed(script: Script, tmp_path: Path) -> None:
    command = script(
        "sh -c 'echo $$ > child; exec sleep 1000' &\nwait_for=child; echo slow >&2; sleep 1000"
    )
    children_before = children()
    with pytest.raises(OutputError, match=r"was killed after 0.5 s: slow"):
        Hook(command, timeout=0.5).deliver(EVENT)
    wait_until(lambda: gone(int((tmp_path / "child").read_text())))
    assert children() == children_before


def test_a_background_job_does_not_delay_and_is_killed(script: Script, tmp_path: Path) -> None:
    Hook(script("sleep 1000 & echo $! > child"), timeout=100).deliver(EVENT)
    wait_until(lambda: gone(int((tmp_path / "child").read_text())))


def test_a_command_that_closes_stderr_early_has_not_ended(script: Script, tmp_path: Path) -> None:
    Hook(script("exec 2>&-; sleep .2; touch done")).deliver(EVENT)
    assert (tmp_path / "done").exists()


def test_a_program_that_is_missing_for_a_while_runs_again(script: Script, tmp_path: Path) -> None:
    hook = Hook(script("exit 0"))
    (tmp_path / "script").rename(tmp_path / "away")
    with pytest.raises(
        OutputError, match=r"script: cannot be started \(No such file or directory\)"
    ):
        hook.deliver(EVENT)
    (tmp_path / "away").rename(tmp_path / "script")
    hook.deliver(EVENT)


def test_no_descriptor_and_no_process_remains(script: Script) -> None:
    hooks = [Hook("true"), Hook(script("exit 1")), Hook("sleep 1000", timeout=0.01)]
    children_before = children()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for hook in hooks * 10:
        try:
            hook.deliver(EVENT)
        except OutputError:
            continue
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert children() == children_before


def test_an_outbox_reports_a_failure_until_the_command_works(
    script: Script, tmp_path: Path
) -> None:
    outbox = Outbox(Hook(script("test -e ready")))
    outbox.put(EVENT)
    assert outbox.drain(20) and "exit code 1" in str(outbox.trouble)
    (tmp_path / "ready").touch()
    outbox.put(EVENT)
    assert (
        outbox.drain(20) and outbox.trouble is None and (outbox.delivered, outbox.failed) == (1, 1)
    )
    outbox.close()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("mail 'unfinished", "cannot be split into words .*quote it"),
        ("no-such-program --now", "no-such-program is no program"),
        ("/etc", "/etc is no program"),
    ],
)
def test_a_command_that_cannot_run_is_refused_at_once(command: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Hook(command)


def test_a_file_that_is_not_executable_is_refused_at_once(script: Script, tmp_path: Path) -> None:
    command = script("exit 0")
    (tmp_path / "script").chmod(0o644)
    with pytest.raises(
        ConfigError, match=r"script is no program that can be run here; .* chmod \+x it"
    ):
        Hook(command)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_time_limit_is_above_0(timeout: float) -> None:
    with pytest.raises(ConfigError, match="more than 0"):
        Hook(sys.executable, timeout=timeout)
