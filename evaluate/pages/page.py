"""HTML pages from Jinja2 templates: each page is one file that requests nothing and runs no script.

Every page extends `templates/base.html` and builds its tables and charts with the macros of
`templates/parts.html`. It follows the light or dark theme of the reader through the CSS variables
of `templates/style.css`. Jinja2 escapes all values; only `markupsafe.Markup` stays markup.
"""

import base64

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

PACKAGE = "edgeae.evaluate.pages"


def environment(package: str = PACKAGE) -> Environment:
    """Jinja2 environment for the templates of a package and the ones that all pages share."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = with_code
    environment.filters["data_uri"] = data_uri
    return environment


def render_page(package: str, template: str, **values: object) -> str:
    """Return the page that a template of a package gives with these values, in valid Unicode."""
    page = environment(package).get_template(template).render(**values)
    # Names of files may be any bytes.
    return page.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def with_code(text: str) -> Markup:
    """Return the text as HTML in which everything between backticks is code."""
    parts = str(escape(text)).split("`")
    for k in range(1, len(parts), 2):
        parts[k] = f"<code>{parts[k]}</code>"
    return Markup("".join(parts))


def data_uri(content: bytes, media_type: str) -> str:
    """Return a file as a URI that holds the file itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
