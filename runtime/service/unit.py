"""The text of a systemd unit that keeps `edgeae run` going, and lets it do nothing else.

may read      the system, its program and artifact, and nothing of other users
may write     /var/lib/edgeae-NAME, and folders that the command names
may open      sound devices
may reach     nobody, or those that the command names
"""

import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LOCALHOST = "localhost"
ANYBODY = "any"
# Folders whose content is hidden from services.
HIDDEN_FOLDERS = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))

_PLAIN = re.compile(r"[A-Za-z0-9_@=:,./+-]+")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_@=,./+-]+")  # a bare colon separates two of them

# A line of the unit, for `machines_of`.
MACHINES = "# Machines: "

HARDENING = """\
# Sound devices and no others; PrivateDevices= would hide these, too.
DevicePolicy=closed
DeviceAllow=char-alsa rw
SupplementaryGroups=audio

# Everything else is as closed as it can be.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
PrivateMounts=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Credential:
    """A secret file that systemd copies for the service, which alone can read the copy."""

    name: str
    variable: str  # of the environment, with the path of the copy
    path: Path


@dataclass(frozen=True)
class Unit:
    """What a service needs; all paths absolute."""

    name: str
    command: Sequence[str]  # the program and its arguments
    machines: Sequence[str] = ()  # that it listens to
    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()  # folders, other than that of its state
    peers: frozenset[str] = frozenset()  # addresses, LOCALHOST, ANYBODY
    secrets: bool = False  # it may need passwords
    credentials: Sequence[Credential] = ()
    public: bool = False  # other users read a file that it writes
    quiet: bool = False  # what it prints is kept elsewhere
    user: str | None = None
    watchdog: int = 120  # seconds
    memory: str = "200M"
    hidden: Sequence[Path] = HIDDEN_FOLDERS  # from services, unless the unit binds them

    def text(self) -> str:
        sections = [self._head(), self._process(), self._files(), self._network()]
        return "\n\n".join(["\n".join(lines) for lines in sections] + [HARDENING])

    def _head(self) -> list[str]:
        # time-set.target is the clock of the last shutdown and is reached at once. A service that
        # waits for the right time or for the network might never listen; lines that cannot be
        # sent are sent later, and each line says whether the clock is right.
        network = " network.target" if self.peers - {LOCALHOST} else ""
        return [
            f"# Made by `edgeae service`. For changes of your own: systemctl edit {self.name}",
            f"{MACHINES}{json.dumps(list(self.machines))}",
            "[Unit]",
            f"Description=edgeae listens ({self.name})",
            f"After=sound.target time-set.target{network}",
            "StartLimitIntervalSec=0",
        ]

    def _process(self) -> list[str]:
        return [
            "[Service]",
            "Type=notify",
            "NotifyAccess=main",
            f"ExecStart=:{' '.join(map(quoted, self.command))}",
            "# No sound captured and scored for so long: it is ended and started again.",
            f"WatchdogSec={self.watchdog}",
            "WatchdogSignal=SIGTERM",
            "TimeoutStopSec=20",
            "Restart=always",
            "RestartSec=10",
            f"MemoryMax={self.memory}",
            "TasksMax=64",
            "# onnxruntime would keep a database of usage data for its makers.",
            "Environment=ORT_DISABLE_TELEMETRY=1",
            *(["StandardOutput=null"] if self.quiet else []),
            *([f"EnvironmentFile=-/etc/edgeae/{self.name}.env"] if self.secrets else []),
            *self._credentials(),
        ]

    def _credentials(self) -> list[str]:
        lines = []
        for credential in self.credentials:
            # systemd takes the path as it stands, but for specifiers.
            path = str(credential.path).replace("%", "%%")
            lines.append(f"LoadCredential={credential.name}:{path}")
            lines.append(f"Environment={credential.variable}=%d/{credential.name}")
        return lines

    def _files(self) -> list[str]:
        readable = [path for path in self.readable if is_hidden(path, self.hidden)]
        writable = [path for path in self.writable if is_hidden(path, self.hidden)]
        return [
            "# Names of files that do not begin with / are in /var/lib.",
            f"User={self.user}" if self.user else "DynamicUser=yes",
            f"StateDirectory={self.name}",
            "StateDirectoryMode=0700",
            f"UMask={'0022' if self.public else '0077'}",
            f"WorkingDirectory=%S/{self.name}",
            f"ProtectHome={'tmpfs' if readable or writable else 'yes'}",
            *_settings("BindReadOnlyPaths", readable),
            *_settings("BindPaths", writable),
            *_settings("ReadWritePaths", set(self.writable) - set(writable)),
        ]

    def _network(self) -> list[str]:
        if not self.peers:
            return ["PrivateNetwork=yes", "IPAddressDeny=any", "RestrictAddressFamilies=AF_UNIX"]
        families = "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"
        if ANYBODY in self.peers:
            return [families]
        # The threads of paho connect to each other through localhost.
        allowed = " ".join(sorted({LOCALHOST, *self.peers}))
        return [families, "IPAddressDeny=any", f"IPAddressAllow={allowed}"]


def quoted(argument: str, plain: re.Pattern[str] = _PLAIN) -> str:
    """An argument as systemd.service(5) reads it back, whatever it holds but for the zero byte."""
    if plain.fullmatch(argument):
        return argument
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return '"' + re.sub(r"[\x01-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped) + '"'


def machines_of(text: str) -> list[str]:
    """The machines to which the service of a unit listens; none for a unit of somebody else."""
    for line in text.splitlines():
        if line.startswith(MACHINES):
            try:
                return [str(machine) for machine in json.loads(line.removeprefix(MACHINES))]
            except (ValueError, TypeError):
                break
    return []


def peer(location: str) -> str:
    """The other side of a URL or HOST:PORT: LOCALHOST, an IP address, or ANYBODY for a name."""
    try:
        host = urlsplit(location if "://" in location else f"//{location}").hostname or ""
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return ANYBODY
    if address.is_loopback:
        return LOCALHOST
    if address.is_unspecified:
        return ANYBODY
    return str(address)


def is_hidden(path: Path, hidden: Sequence[Path] = HIDDEN_FOLDERS) -> bool:
    """True if services see a path only if the unit binds it; hidden: folders."""
    return any(path.is_relative_to(folder) for folder in hidden)


def _settings(name: str, paths: Iterable[Path]) -> list[str]:
    """A line for each path that lies in none of the others."""
    candidates = sorted(set(paths))
    outermost = [
        path
        for path in candidates
        if not any(path != other and path.is_relative_to(other) for other in candidates)
    ]
    return [f"{name}={quoted(str(path), _PLAIN_PATH)}" for path in outermost]
