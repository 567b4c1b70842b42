"""Sensitivity in words."""

from edgeae.runtime.model.sections import SensitivitySection
from edgeae.runtime.scoring.sensitivity_table import sensitivity_rows, sensitivity_table


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


def test_louder_and_quieter_are_one_row_with_the_larger_strength() -> None:
    assert sensitivity_rows(SECTIONS) == {
        "louder or quieter at 2 to 4 kHz": "> 12 dB within 1 minute, 1.5 dB within 10 minutes",
        "white noise": "-10 dB within 1 minute, -15.5 dB within 10 minutes",
    }


def test_the_table_has_a_line_for_each_kind_and_a_column_for_each_time() -> None:
    head, *lines = sensitivity_table(SECTIONS)
    assert head.split("  ")[0] == "smallest change that raises an alarm in"
    assert head.endswith("    1 minute  10 minutes")
    assert [line.split("  ")[1] for line in lines] == list(sensitivity_rows(SECTIONS))
    assert lines[0].endswith("     > 12 dB      1.5 dB")
    assert {len(line) for line in lines} == {len(head)}


def test_without_a_sensitivity_there_is_no_table() -> None:
    assert sensitivity_table([]) == []
    assert sensitivity_rows([]) == {}
