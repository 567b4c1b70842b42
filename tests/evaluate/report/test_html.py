"""The look that pages share: text is never markup, and nothing is fetched."""

from edgeae.evaluate.report.html import (
    STYLE,
    data_uri,
    facts,
    figure,
    listed,
    page,
    paragraph,
    player,
    table,
)

NASTY = '"><script>alert(1)</script>&'


def test_text_is_never_markup():
    for found in (
        page(NASTY, ""),
        paragraph(NASTY),
        listed([NASTY]),
        table([[NASTY], [NASTY]], NASTY),
        facts([(NASTY, NASTY)], NASTY),
        figure("", NASTY),
        player(b"", "audio/flac", NASTY),
    ):
        assert "<script" not in found.removeprefix("<style>") and "&lt;script&gt;" in found


def test_code_stands_between_backticks():
    assert "<code>edgeae run &lt;a&gt;</code>." in listed(["Then `edgeae run <a>`."])


def test_the_page_is_told_to_fetch_nothing():
    assert "default-src 'none'" in page("t", "b")
    assert "url(" not in STYLE and "@import" not in STYLE


def test_a_file_within_the_page():
    assert data_uri(b"abc", "text/plain") == "data:text/plain;base64,YWJj"


def _luminance(colour):
    values = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(weight * v for weight, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_colour_of_text_can_be_read_on_the_paper_of_its_theme():
    """WCAG 2.1, 1.4.3: a contrast of 4.5 at least."""
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    for theme in (light, dark.split("* {")[0]):
        words = theme.replace("}", ";").replace("{", ";").split(";")
        colours = dict(pair.strip().split(": ") for pair in words if pair.strip().startswith("--"))
        colours = {
            name: c if len(c) == 7 else "#" + "".join(2 * letter for letter in c[1:])
            for name, c in colours.items()
        }
        paper = _luminance(colours["--paper"])
        for name in ("--ink", "--soft", "--normal", "--anomaly", "--network", "--bare"):
            lighter, darker = sorted((paper, _luminance(colours[name])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name
