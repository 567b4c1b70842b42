"""Which files have names like that of one that does not exist."""

import difflib
from pathlib import Path

MAX_NAMES = 2


def similar_files(missing: Path) -> list[Path]:
    """The files of the folder of ``missing`` with the most similar names, at most MAX_NAMES."""
    folder = missing.parent
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    similar = difflib.get_close_matches(missing.name, names, n=MAX_NAMES)
    return [folder / name for name in similar]


def advice_for_missing(missing: Path, otherwise: str) -> str:
    """``did you mean a.onnx?`` for a file that does not exist; else the advice ``otherwise``."""
    similar = similar_files(missing)
    if not similar:
        return otherwise
    return f"did you mean {' or '.join(map(str, similar))}?"
