#!/usr/bin/env python3
"""Is the sound of each microphone scored, unless a person paused it? Exit code 0 if it is, else 1.

healthcheck.py [PORT]        of `edgeae run --metrics PORT`, by default 9464
"""

import re
import sys
from http.client import HTTPException
from urllib.request import urlopen

DEFAULT_PORT = 9464
MAX_AGE_SECONDS = 60.0  # of the last scored sound
TIMEOUT_SECONDS = 5.0
AGE = re.compile(r"edgeae_score_age_seconds(\{.*\}) (\S+)")
PAUSED = re.compile(r"edgeae_paused(\{.*\}) 1")


def silent_sources(metrics: str) -> list[str]:
    """The labels of sources without sound that was scored a short time ago.

    metrics: in the text format of Prometheus. ValueError if there is no source.
    """
    ages = {labels: float(age) for labels, age in AGE.findall(metrics)}
    if not ages:
        raise ValueError("no sound was scored yet")
    paused = PAUSED.findall(metrics)
    return [
        labels for labels, age in ages.items() if age > MAX_AGE_SECONDS and labels not in paused
    ]


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PORT
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_SECONDS) as answer:
            silent = silent_sources(answer.read().decode())
    except (OSError, HTTPException) as error:
        sys.exit(f"edgeae run --metrics {port} does not answer: {error}")
    except ValueError as error:
        sys.exit(str(error))
    if silent:
        sys.exit(f"no sound for more than {MAX_AGE_SECONDS:.0f} s: {', '.join(silent)}")
    print("the sound of each microphone is scored")


if __name__ == "__main__":
    main()
