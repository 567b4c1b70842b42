"""The layout that pages share: text is never markup, and nothing is requested."""

from importlib.resources import files

import pytest
from markupsafe import Markup

from edgeae.evaluate.pages.axes import Colour
from edgeae.evaluate.pages.chart import Chart, KeyEntry
from edgeae.evaluate.pages.page import PACKAGE, data_uri, environment, render_page, with_code

NASTY = '"><script>alert(1)</script>&'
STYLE = files(PACKAGE).joinpath("templates", "style.css").read_text()
NASTY_CHART = Chart(NASTY, Markup("<svg></svg>"), (KeyEntry(NASTY, Colour.NORMAL),), caption=NASTY)


def render(call: str) -> str:
    """What a call of a macro of the shared parts gives; ``nasty`` and ``chart`` are its values."""
    source = f'{{% import "parts.html" as parts %}}{{{{ {call} }}}}'
    return environment().from_string(source).render(nasty=NASTY, chart=NASTY_CHART)


@pytest.mark.parametrize(
    "call",
    [
        "nasty",
        "parts.sentences([nasty])",
        "parts.table([[nasty], [nasty]], nasty)",
        "parts.facts([(nasty, nasty)], nasty)",
        "parts.charts([chart])",
        "parts.player(''.encode(), 'audio/flac', nasty)",
    ],
)
def test_text_is_never_markup(call: str) -> None:
    html = render(call)
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_title_of_a_page_is_text() -> None:
    html = render_page(PACKAGE, "base.html", title=NASTY)
    assert "<script" not in html
    assert "<title>&#34;&gt;&lt;script&gt;" in html


def test_the_drawing_of_a_chart_is_markup() -> None:
    assert "<svg></svg>" in render("parts.charts([chart])")


@pytest.mark.parametrize("package", ["pages", "report", "dataset"])
def test_templates_are_files_of_their_package(package: str) -> None:
    templates = files(f"edgeae.evaluate.{package}").joinpath("templates")
    names = [template.name for template in templates.iterdir()]
    assert names
    assert set(names) <= set(environment(f"edgeae.evaluate.{package}").list_templates())


def test_code_stands_between_backticks() -> None:
    assert with_code("Then `edgeae run <a>`.") == "Then <code>edgeae run &lt;a&gt;</code>."


def test_the_page_forbids_every_request() -> None:
    assert "default-src 'none'" in render_page(PACKAGE, "base.html", title="t")
    assert "url(" not in STYLE and "@import" not in STYLE


def test_a_file_within_the_page() -> None:
    assert data_uri(b"abc", "text/plain") == "data:text/plain;base64,YWJj"


def luminance(colour: str) -> float:
    values = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    weights = (0.2126, 0.7152, 0.0722)
    return sum(weight * v for weight, v in zip(weights, linear, strict=True))


def test_every_colour_of_text_can_be_read_on_the_paper_of_its_theme() -> None:
    """WCAG 2.1, 1.4.3: a contrast of 4.5 at least."""
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    for theme in (light, dark.split("* {")[0]):
        words = theme.replace("}", ";").replace("{", ";").split(";")
        pairs = (pair.strip().split(": ") for pair in words if pair.strip().startswith("--"))
        colours = {
            name: c if len(c) == 7 else "#" + "".join(2 * letter for letter in c[1:])
            for name, c in pairs
        }
        paper = luminance(colours["--paper"])
        for colour in set(Colour) - {Colour.LINE}:
            name = f"--{colour.css_class}"
            lighter, darker = sorted((paper, luminance(colours[name])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name
