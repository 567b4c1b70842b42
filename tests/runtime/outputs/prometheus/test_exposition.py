"""The text format, line by line."""

from edgeae.runtime.outputs.prometheus.exposition import Family, render


def test_a_family_is_described_before_its_samples() -> None:
    family = Family("edgeae_score", "gauge", "Distance from normal.")
    family.add({"source": "hw:1", "machine": "pump-3"}, 0.5)
    family.add({}, 2.0)
    assert render([family]).splitlines() == [
        "# HELP edgeae_score Distance from normal.",
        "# TYPE edgeae_score gauge",
        'edgeae_score{source="hw:1",machine="pump-3"} 0.5',
        "edgeae_score 2",
    ]


def test_a_family_without_samples_has_no_lines() -> None:
    family = Family("edgeae_level_dbfs", "gauge", "Level.")
    family.add({"source": "hw:1"}, None)
    assert render([family]) == ""


def test_backslash_quote_and_newline_are_escaped() -> None:
    family = Family("x", "counter", "X.")
    family.add({"name": 'a\\b"c\nd'}, 1)
    assert r'x{name="a\\b\"c\nd"} 1' in render([family])


def test_numbers_are_exact_and_whole_numbers_have_no_point() -> None:
    values = [0.1 + 0.2, 1e-300, 3.0, -1e15, float("inf"), float("nan")]
    family = Family("x", "gauge", "X.")
    for value in values:
        family.add({}, value)
    texts = [line.split()[1] for line in render([family]).splitlines()[2:]]
    assert texts == [
        "0.30000000000000004",
        "1e-300",
        "3",
        "-1000000000000000",
        "inf",
        "nan",
    ]


def test_a_truth_value_is_a_number() -> None:
    family = Family("x", "gauge", "X.")
    family.add({}, True)
    assert render([family]).endswith("x 1\n")
