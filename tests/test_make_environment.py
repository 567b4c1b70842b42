"""What `make demo` shows while pip installs."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "make-environment"
OUTPUT = """\
Obtaining file:///home/me/edgeae
  Preparing editable metadata (pyproject.toml): finished with status 'done'
Collecting torch>=2.5 (from edgeae==0.1.0)
  Downloading torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (29 kB)
  Downloading torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl (899.8 MB)
  Using cached numpy-2.4.0-cp311-cp311-manylinux_2_27_x86_64.whl (16.6 MB)
Requirement already satisfied: click>=8.1 in ./.venv/lib
Installing collected packages: torch, numpy, edgeae
ERROR: No matching distribution found for torch>=2.5
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("make_environment", str(SCRIPT))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_steps_of_pip_are_named_with_their_size(script: ModuleType) -> None:
    assert list(script.steps(OUTPUT.splitlines())) == [
        "downloading torch 2.14.1 (899.8 MB)",
        "using cached numpy 2.4.0 (16.6 MB)",
        "unpacking 3 packages",
        "ERROR: No matching distribution found for torch>=2.5",
    ]


def test_the_size_is_that_of_all_files(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a").write_bytes(bytes(5))
    (tmp_path / "b").write_bytes(bytes(2))
    assert script.installed_bytes(tmp_path) == 7
