"""What pyproject.toml cannot say: the package page shows the README alone, where its links to files lead nowhere."""

import re
from pathlib import Path

from setuptools import setup

README = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
LINK = re.compile(
    r"!?\[([^\]]*)\]\((?!https?:|#)[^)]*\)"
)  # to a file; absolute ones and those within the page stay

setup(long_description=LINK.sub(r"\1", README), long_description_content_type="text/markdown")
