"""Removes links to files from the README of the package page, which pyproject.toml cannot do."""

import re
from pathlib import Path

from setuptools import setup

README = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
# To a file; absolute links and those within the page stay.
LINK = re.compile(r"!?\[([^\]]*)\]\((?!https?:|#)[^)]*\)")

setup(long_description=LINK.sub(r"\1", README), long_description_content_type="text/markdown")
