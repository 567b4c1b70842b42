#!/bin/sh
# What edgeae costs on a Raspberry Pi, as one Markdown table to paste. Nothing else should run meanwhile.
#
#   benchmarks/pi.sh MODEL.onnx [--device hw:1 [--seconds 60]]
#
# MODEL.onnx is an artifact that was made on a workstation, as by `edgeae demo` or `edgeae calibrate`. The base package
# goes into build/pi, a virtual environment of its own; EDGEAE_PYTHON=PATH takes a Python that has it.
set -eu
repository=$(cd "$(dirname "$0")/.." && pwd)
python=${EDGEAE_PYTHON:-$repository/build/pi/bin/python}

case ${1:-} in
*.onnx) ;;
*)
    sed -n 's/^#   //p' "$0" >&2
    exit 2
    ;;
esac
if [ -z "${EDGEAE_PYTHON:-}" ]; then
    [ -x "$python" ] || python3 -m venv "$repository/build/pi"
    echo "pi.sh: installing edgeae into $repository/build/pi" >&2
    "$python" -m pip install --quiet "$repository" >&2
fi
exec "$python" "$repository/benchmarks/pi.py" "$@"
