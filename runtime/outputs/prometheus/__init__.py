"""`--metrics` and `--metrics-file`: metrics in the text format of Prometheus."""
