"""The documentation as a site: its navigation, and that its pages need no other server."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
main: Callable[[Path], int] = runpy.run_path(str(ROOT / "scripts" / "check-site"))["main"]


def test_every_page_stands_in_the_navigation_once() -> None:
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    listed = re.findall(r": ([a-z-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(listed) == pages


def test_no_page_links_to_a_file_that_the_site_does_not_hold() -> None:
    links = [
        f"{path.name}: {link}"
        for path in (ROOT / "docs").glob("*.md")
        for link in re.findall(r"\]\((\.\./[^)]*)\)", path.read_text())
    ]
    assert links == []


@pytest.mark.parametrize(
    "element",
    [
        "<script src=https://cdn.example/x.js></script>",
        "<link rel=stylesheet href='//fonts.example/x.css'>",
        "<link rel=preconnect href=https://fonts.example>",
        "<img src='http://example/x.png'>",
        "<style>@import 'https://fonts.example/x.css';</style>",
        "<p style='background: url(https://example/x.png)'>",
    ],
)
def test_what_is_fetched_from_another_server_is_named(
    tmp_path: Path, element: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index.html").write_text(f"<html>{element}</html>")
    assert main(tmp_path) == 2
    assert "index.html: is fetched from another server: " in capsys.readouterr().err


def test_links_and_own_files_are_no_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "<link rel=canonical href=https://x/><a href=https://x/>x</a><script src=a.js></script>"
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "style.css").write_text("@font-face { src: url(data:font/woff2;base64,AA) }")
    assert main(tmp_path) == 0
    assert "1 pages, none loads anything" in capsys.readouterr().out


def test_a_style_sheet_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    (tmp_path / "style.css").write_text("@font-face { src: url(https://fonts.example/x.woff2) }")
    assert main(tmp_path) == 2


def test_a_folder_without_pages_is_an_error(tmp_path: Path) -> None:
    assert main(tmp_path) == 2
