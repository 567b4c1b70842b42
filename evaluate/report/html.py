"""The look that edgeae's pages share: one file, no network, light and dark by the reader's setting, any width.

Colours are variables of the theme. What is drawn or written for a thing (``normal``, ``anomaly``, ``network``,
``bare``: without a network) has its class and takes its colour; the pairs are told apart by colour-blind eyes
(Okabe and Ito), are readable on both papers, and never stand without a word.
"""

import base64
import html
from collections.abc import Iterable, Sequence

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --line: #d0d7de; --raised: #f6f8fa;
        --normal: #0062a3; --anomaly: #b34700; --network: #0062a3; --bare: #6b5b00 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9aa4af; --paper: #0d1117; --line: #30363d; --raised: #161b22;
          --normal: #6cb6ff; --anomaly: #ff9b5e; --network: #6cb6ff; --bare: #e0c341 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
       max-width: 72rem; padding: 0 1rem; overflow-wrap: anywhere }
p, ul, ol { max-width: 44rem } p.verdict { font-size: 1.25rem; line-height: 1.4 } p.soft, .soft { color: var(--soft) }
h1, h2, h3, h4 { line-height: 1.2; margin: 2rem 0 .6rem }
h1 { margin-top: 0 } h4 { margin-top: 1.2rem; font-size: 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0 }
div.wide { overflow-x: auto; background-repeat: no-repeat; background-attachment: local, local, scroll, scroll;
  background-position: left, right, left, right; background-size: 2rem 100%, 2rem 100%, .6rem 100%, .6rem 100%;
  background-image: linear-gradient(90deg, var(--paper) 30%, transparent),
    linear-gradient(270deg, var(--paper) 30%, transparent),
    linear-gradient(90deg, var(--line), transparent), linear-gradient(270deg, var(--line), transparent) }
div.wide:focus-visible { outline: 2px solid var(--network) }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem; text-align: right; vertical-align: top;
         white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 0 } table.facts td { text-align: left;
  white-space: normal }
div.charts { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: flex-start }
figure { margin: 0; max-width: 100% } figcaption { font-size: .875rem; color: var(--soft); max-width: 22rem }
audio { width: 22rem; max-width: 100%; display: block } pre { overflow-x: auto; font-size: .875rem }
code, pre { background: var(--raised); border-radius: .3rem; padding: .1rem .3rem } summary { cursor: pointer }
svg.chart { max-width: 100%; height: auto; display: block; font: 12px system-ui, sans-serif }
svg.chart text, svg.chart tspan { fill: currentColor } svg.chart .head { font-weight: 600 }
svg.chart .axis { color: var(--soft) }
svg.chart .line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round }
svg.chart .thin { stroke-width: 1.5; stroke-dasharray: 4 3 } svg.chart .area { fill: currentColor; opacity: .22 }
svg.chart .grid { fill: none; stroke: var(--line) } svg.chart .dot { fill: currentColor }
.normal { color: var(--normal) } .anomaly { color: var(--anomaly) }
.network { color: var(--network) } .bare { color: var(--bare) }
@media (max-width: 40rem) { table.facts tr > * { display: block; padding-left: 0 } table.facts th { border: 0 } }
@media print { body { margin: 0; max-width: none } audio { display: none } article, figure { break-inside: avoid } }
"""

NO_NETWORK = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"


def page(title: str, body: str) -> str:
    """A whole page. ``title`` is text, ``body`` is HTML; the browser is told to fetch nothing."""
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv=Content-Security-Policy content="{NO_NETWORK}">'
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body><main>{body}</main></body></html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """Text as a paragraph of a class of the style: ``verdict``, ``soft`` or none."""
    return f"<p{f' class={kind}' if kind else ''}>{html.escape(text)}</p>\n"


def listed(sentences: Iterable[str]) -> str:
    """Sentences as a list; in each, text between backticks is code."""
    return f"<ul>{''.join(f'<li>{_with_code(sentence)}</li>' for sentence in sentences)}</ul>\n"


def _with_code(text: str) -> str:
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if k % 2 else part for k, part in enumerate(parts))


def table(rows: Sequence[Sequence[str]], name: str) -> str:
    """Rows of text, the first being the head; on a narrow screen the table scrolls by itself."""
    head, *body = ([html.escape(cell) for cell in row] for row in rows)
    lines = ["".join(f"<th scope=col>{cell}</th>" for cell in head)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in body]
    return _wide("<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>", name)


def facts(pairs: Iterable[tuple[str, str]], name: str) -> str:
    """Names and values, a line each."""
    lines = (
        f"<tr><th scope=row>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>"
        for key, value in pairs
    )
    return _wide(f"<table class=facts>{''.join(lines)}</table>", name)


def _wide(content: str, name: str) -> str:
    """What may be wider than the screen: it can be reached and moved by the keyboard, too."""
    return (
        f'<div class=wide tabindex=0 role=region aria-label="{html.escape(name)}">{content}</div>\n'
    )


def figure(chart: str, caption: str = "") -> str:
    """A chart (SVG) with text below it."""
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{chart}{below}</figure>"


def charts(figures: Iterable[str]) -> str:
    """Figures beside each other as far as there is room."""
    return f"<div class=charts>{''.join(figures)}</div>\n"


def player(content: bytes, kind: str, name: str) -> str:
    """Controls that play a sound; kind: its media type."""
    return f'<audio controls preload=metadata aria-label="{html.escape(name)}" src="{data_uri(content, kind)}"></audio>'


def data_uri(content: bytes, kind: str) -> str:
    """A file within the page; kind: its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
