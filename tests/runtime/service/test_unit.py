"""The systemd unit: what it allows, and that systemd reads it as it was meant."""

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.service.unit import ANYBODY, LOCALHOST, Credential, Unit, peer, quoted

ANALYZE = shutil.which("systemd-analyze")
LISTENS = Unit("edgeae-pump-3", ["/usr/bin/true", "run", "/opt/pump-3.onnx", "--device", "hw:1"])


def words(text: str) -> Iterator[str]:
    """Split a command line as systemd does; from systemd.service(5) and systemd.syntax(7)."""
    word, inside, started, rest = "", False, False, iter(text)
    for letter in rest:
        if letter == "\\":
            code = next(rest)
            word += (
                chr(int(next(rest) + next(rest), 16))
                if code == "x"
                else {"n": "\n", "t": "\t"}.get(code, code)
            )
        elif letter == '"':
            inside, started = not inside, True
        elif letter == "%":
            assert next(rest) == "%", "a specifier"
            word += "%"
        elif letter in " \t\n\r" and not inside:
            if word or started:
                yield word
            word, started = "", False
        else:
            assert inside or letter != "'", "another quote"
            word += letter
    assert not inside
    if word or started:
        yield word


def settings_of(unit: Unit) -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in unit.text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_any_arguments_survive_the_quoting(arguments: list[str]) -> None:
    line = " ".join(map(quoted, arguments))
    assert list(words(line)) == arguments
    assert "\n" not in line


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("hw:CARD=Device,DEV=0", "hw:CARD=Device,DEV=0"),
        ("", '""'),
        ("a b", '"a b"'),
        ("100%", '"100%%"'),
        ('say "now"', '"say \\"now\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("two\nlines", '"two\\x0alines"'),
        (";", '";"'),
        ("$HOME", '"$HOME"'),  # ExecStart=: replaces no variables
    ],
)
def test_quoting(argument: str, text: str) -> None:
    assert quoted(argument) == text


def test_the_process() -> None:
    found = settings_of(LISTENS)
    assert found["ExecStart"] == [":/usr/bin/true run /opt/pump-3.onnx --device hw:1"]
    expected = {
        "Type": "notify",
        "NotifyAccess": "main",
        "WatchdogSec": "120",
        "Restart": "always",
        "RestartSec": "10",
        "StartLimitIntervalSec": "0",
        "MemoryMax": "200M",
        "Environment": "ORT_DISABLE_TELEMETRY=1",
        "WantedBy": "multi-user.target",
        "After": "sound.target time-set.target",
    }
    assert {key: found[key] for key in expected} == {
        key: [value] for key, value in expected.items()
    }


def test_a_secret_file_is_copied_for_the_service_alone() -> None:
    secret = Credential("page-token-file", "EDGEAE_PAGE_TOKEN_FILE", Path("/etc/100% my/token"))
    found = settings_of(replace(LISTENS, credentials=[secret]))
    assert found["LoadCredential"] == ["page-token-file:/etc/100%% my/token"]
    assert "EDGEAE_PAGE_TOKEN_FILE=%d/page-token-file" in found["Environment"]


def test_the_sandbox() -> None:
    found = settings_of(LISTENS)
    closed = [
        "NoNewPrivileges",
        "PrivateTmp",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "PrivateNetwork",
    ]
    closed += [
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "ProtectClock",
        "ProtectHome",
    ]
    closed += [f"ProtectKernel{part}" for part in ("Logs", "Modules", "Tunables")]
    assert all(found[key] == ["yes"] for key in [*closed, "DynamicUser"])
    assert found["DevicePolicy"] == ["closed"]
    assert found["DeviceAllow"] == ["char-alsa rw"]
    assert found["SupplementaryGroups"] == ["audio"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["ProtectSystem"] == ["strict"]
    assert found["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert "User" not in found


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        (
            [],
            {"PrivateNetwork": "yes", "IPAddressDeny": "any", "RestrictAddressFamilies": "AF_UNIX"},
        ),
        ([LOCALHOST], {"IPAddressDeny": "any", "IPAddressAllow": "localhost"}),
        (["192.168.1.5"], {"IPAddressDeny": "any", "IPAddressAllow": "192.168.1.5 localhost"}),
        ([LOCALHOST, ANYBODY], {}),
    ],
)
def test_only_those_can_be_reached_who_are_named(
    peers: list[str], expected: dict[str, str]
) -> None:
    found = settings_of(replace(LISTENS, peers=frozenset(peers)))
    keys = ("PrivateNetwork", "IPAddressDeny", "IPAddressAllow")
    families = {"RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6"}
    assert {key: found[key][0] for key in (*keys, *families) if found[key]} == {
        **families,
        **expected,
    }
    assert ("network.target" in found["After"][0]) == bool(set(peers) - {LOCALHOST})


@pytest.mark.parametrize(
    ("location", "who"),
    [
        ("mqtt://localhost", LOCALHOST),
        ("127.0.0.1:9464", LOCALHOST),
        ("[::1]:9464", LOCALHOST),
        ("mqtts://192.168.1.5:8883", "192.168.1.5"),
        ("http://[fe80::1]/hook", "fe80::1"),
        ("https://alarms.example/hook", ANYBODY),
        ("broker", ANYBODY),
        ("0.0.0.0:9464", ANYBODY),
        ("[::]:9464", ANYBODY),
        ("", ANYBODY),
        ("http://[broken", ANYBODY),  # `run` says what is wrong with it
    ],
)
def test_who_is_reached(location: str, who: str) -> None:
    assert peer(location) == who


def test_folders_of_others_stay_hidden_but_for_what_is_needed() -> None:
    home = Path("/home/pi")
    readable = [
        home / ".venv",
        home / ".venv/bin/edgeae",
        home / "pump 3.onnx",
        Path("/usr/lib/python3"),
    ]
    writable = [home / "alarms", Path("/var/log/edgeae")]
    found = settings_of(replace(LISTENS, readable=readable, writable=writable))
    assert found["ProtectHome"] == ["tmpfs"]
    assert found["BindReadOnlyPaths"] == ["/home/pi/.venv", '"/home/pi/pump 3.onnx"']
    assert found["BindPaths"] == ["/home/pi/alarms"]
    assert found["ReadWritePaths"] == ["/var/log/edgeae"]


def test_a_user_secrets_and_quiet() -> None:
    found = settings_of(replace(LISTENS, user="pi", secrets=True, quiet=True))
    assert found["User"] == ["pi"]
    assert "DynamicUser" not in found
    assert found["EnvironmentFile"] == ["-/etc/edgeae/edgeae-pump-3.env"]
    assert found["StandardOutput"] == ["null"]


VARIANTS = [
    LISTENS,
    replace(LISTENS, user="root", secrets=True, quiet=True),
    replace(LISTENS, peers=frozenset([LOCALHOST, "192.168.1.5", "fe80::1"])),
    replace(
        LISTENS, readable=[Path("/home/a b/%x")], writable=[Path("/var/tmp/a:b"), Path("/srv")]
    ),
    replace(LISTENS, command=["/usr/bin/true", "100%", 'a "b"', "\n", "$x", ";", "é"]),
]


def analyzed(unit: Unit, folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    if not ANALYZE:
        pytest.skip("no systemd-analyze here")
    file = folder / f"{unit.name}.service"
    file.write_text(unit.text())
    return subprocess.run(
        [ANALYZE, *command, str(file)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("unit", VARIANTS)
def test_systemd_finds_nothing_wrong(unit: Unit, tmp_path: Path) -> None:
    done = analyzed(unit, tmp_path, "verify", "--man=no")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("unit", "exposure"),  # of 10, as measured
    [
        (LISTENS, 0.6),
        (replace(LISTENS, user="daemon"), 0.6),
        (replace(LISTENS, readable=[Path("/home/pi/.venv")]), 0.6),
        (replace(LISTENS, peers=frozenset([LOCALHOST, "192.168.1.5"])), 1.4),
        (replace(LISTENS, peers=frozenset([ANYBODY])), 1.5),
    ],
)
def test_systemd_finds_it_closed(unit: Unit, exposure: float, tmp_path: Path) -> None:
    done = analyzed(unit, tmp_path, "security", "--offline=yes", "--no-pager")
    level = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert level
    assert float(level[1]) <= exposure
