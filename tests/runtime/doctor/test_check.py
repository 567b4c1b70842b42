"""The result of one check."""

from collections.abc import Iterator

from edgeae.runtime.doctor.check import Check, run_check


def test_one_result_and_several_are_both_a_list() -> None:
    def both() -> Iterator[Check]:
        yield Check.ok("a", "fine")
        yield Check.warning("b", "nearly full", "delete files")

    assert run_check("a", lambda: Check.ok("a", "fine")) == [Check("a", "ok", "fine")]
    assert run_check("both", both) == [
        Check("a", "ok", "fine"),
        Check("b", "warning", "nearly full", "delete files"),
    ]


def test_a_check_that_fails_is_a_line() -> None:
    def fail() -> Check:
        raise RuntimeError("the kernel has no such thing")

    [check] = run_check("power", fail)
    assert (check.name, check.state) == ("power", "warning")
    assert check.sentence == "could not be checked (RuntimeError: the kernel has no such thing)"


def test_what_a_check_found_before_it_failed_is_not_half_a_line() -> None:
    def fail_late() -> Iterator[Check]:
        yield Check.ok("disk", "fine")
        raise OSError(5, "Input/output error")

    assert [check.state for check in run_check("disk", fail_late)] == ["warning"]
