"""What the HTML pages of the reports share: layout, style, charts and spectrograms."""
