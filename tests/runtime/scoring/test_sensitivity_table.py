"""Sensitivity in words."""

from edgeae.runtime.model.sections import SensitivitySection
from edgeae.runtime.scoring.sensitivity_table import (
    band_changes,
    sensitivity_cells,
    sensitivity_table,
)


def section(
    kind: str, strength: float, seconds: float, *, detected: bool = True
) -> SensitivitySection:
    return SensitivitySection(kind, f"{kind} by {strength}", strength, "dB", seconds, detected)


SECTIONS = [
    section("louder at 2 to 4 kHz", 3.0, 60.0),
    section("louder at 2 to 4 kHz", 1.5, 600.0),
    section("quieter at 2 to 4 kHz", 12.0, 60.0, detected=False),
    section("quieter at 2 to 4 kHz", 1.0, 600.0),
    section("white noise", -10.0, 60.0),
    section("white noise", -15.5, 600.0),
]


def test_bands_are_compared_at_the_times_that_all_have() -> None:
    other = section("louder at 4 to 8 kHz", 2.0, 600.0)
    assert [list(change.at) for change in band_changes([*SECTIONS, other])] == [[600.0], [600.0]]
    assert band_changes([SECTIONS[0], other]) == []


def test_louder_and_quieter_are_one_row_with_the_larger_strength() -> None:
    assert sensitivity_cells(SECTIONS) == [
        ["smallest change that raises an alarm in", "1 minute", "10 minutes"],
        ["louder or quieter at 2 to 4 kHz", "> 12 dB", "1.5 dB"],
        ["white noise", "-10 dB", "-15.5 dB"],
    ]


def test_the_table_has_a_line_for_each_kind_and_a_column_for_each_time() -> None:
    head, *lines = sensitivity_table(SECTIONS)
    assert head.split("  ")[0] == "smallest change that raises an alarm in"
    assert head.endswith("    1 minute  10 minutes")
    kinds = [kind for kind, *_ in sensitivity_cells(SECTIONS)[1:]]
    assert [line.split("  ")[1] for line in lines] == kinds
    assert lines[0].endswith("     > 12 dB      1.5 dB")
    assert {len(line) for line in lines} == {len(head)}


def test_without_a_sensitivity_there_is_no_table() -> None:
    assert sensitivity_table([]) == []
    assert sensitivity_cells([]) == []


def test_changes_of_bands_are_those_that_are_louder_or_quieter() -> None:
    (change,) = band_changes(SECTIONS)
    assert change.band == "2 to 4 kHz"
    assert [change.at[seconds].strength for seconds in (60.0, 600.0)] == [12.0, 1.5]
