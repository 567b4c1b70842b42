"""What `make release` would trip over, as far as it is cheap to see."""

import re
import shutil
import subprocess
import sys
import tomllib
from email.message import Message
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
STAGES = ("runtime", "calibrate", "train", "quantize", "evaluate", "configs")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # of Keep a Changelog


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> Message:
    """What the package index is told, and shows."""
    tree = tmp_path_factory.mktemp("release")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for stage in STAGES:
        shutil.copytree(ROOT / stage, tree / stage, ignore=shutil.ignore_patterns("__pycache__"))
    make = "import setuptools.build_meta as b; b.prepare_metadata_for_build_wheel('made')"
    (tree / "made").mkdir()
    subprocess.run([sys.executable, "-c", make], cwd=tree, check=True, capture_output=True)
    [path] = (tree / "made").glob("*.dist-info/METADATA")
    return Parser().parsestr(path.read_text())


def test_the_version_stands_in_one_place(metadata: Message) -> None:
    stated = PROJECT["project"]["version"]
    assert metadata["Version"] == version("edgeae") == stated
    files = [path for stage in STAGES for path in (ROOT / stage).rglob("*.py")]
    assert [
        path for path in files if stated in re.findall(r"\d+\.\d+\.\d+", path.read_text())
    ] == []


def test_the_changelog_keeps_its_form_and_tells_of_this_version() -> None:
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.M)
    released = [heading for heading in headings if heading != "[Unreleased]"]
    dated = [
        re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (unreleased|\d{4}-\d\d-\d\d)", heading)
        for heading in released
    ]
    assert all(dated)
    versions = [tuple(map(int, found.groups()[:3])) for found in dated if found]
    assert versions == sorted(versions, reverse=True)
    assert ".".join(map(str, versions[0])) == PROJECT["project"]["version"]
    assert set(re.findall(r"^### (.*)$", CHANGELOG, re.M)) <= KINDS


def test_every_folder_of_code_is_a_package_of_the_wheel() -> None:
    folders = {path.parent for stage in STAGES for path in (ROOT / stage).rglob("*.py")} | {
        ROOT / "configs"
    }
    names = {"edgeae." + ".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == names


def test_every_file_that_is_no_code_is_data_of_the_wheel() -> None:
    data = PROJECT["tool"]["setuptools"]["package-data"]
    for package in PROJECT["tool"]["setuptools"]["packages"]:
        folder = ROOT.joinpath(*package.split(".")[1:])
        inside = {path for path in folder.rglob("*") if path.is_file()}
        sub_packages = [path.parent for path in folder.glob("*/**/__init__.py")]
        files = {
            path
            for path in inside
            if path.suffix not in (".py", ".pyc")
            and not any(path.is_relative_to(other) for other in sub_packages)
        }
        assert files == {
            path for pattern in data.get(package, []) for path in folder.glob(pattern)
        }, package


def test_the_page_of_the_package_has_no_link_that_leads_nowhere(metadata: Message) -> None:
    page = metadata.get_payload()
    assert isinstance(page, str)
    assert metadata["Description-Content-Type"] == "text/markdown"
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S), re.M)
    anchors = {"#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    links = re.findall(r"\]\(([^)]*)\)", page)
    assert [link for link in links if link not in anchors and not link.startswith("https://")] == []
    assert "docs/listening.md" in page  # the words stay


def test_links_of_the_readme_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]*)[^)]*\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
