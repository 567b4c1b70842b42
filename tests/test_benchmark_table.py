"""The table of `pytest benchmarks`: what it says of targets and of peers."""

import json

from figures import Row, as_json, markdown, processor


def test_a_target_is_that_of_the_ratio_where_there_is_a_peer() -> None:
    assert Row("front end", 4.0, "us", "librosa", 10.0, target=0.5).met
    assert not Row("front end", 6.0, "us", "librosa", 10.0, target=0.5).met
    assert not Row("edgeae --help", 0.2, "s", target=0.15).met


def test_half_as_slow_again_as_the_target_is_a_gross_regression() -> None:
    assert Row("peak memory", 121, "MiB", target=80).is_gross_regression
    assert not Row("peak memory", 119, "MiB", target=80).is_gross_regression
    assert Row("front end", 9.1, "us", "librosa", 10.0, target=0.6).is_gross_regression
    assert not Row("front end", None, "", "librosa", target=0.6).is_gross_regression
    assert not Row("front end", 9.1, "us").is_gross_regression
    assert not Row("network", 9.1, "us", "float", 10.0, target=0.4, limit=1.0).is_gross_regression


def test_an_accuracy_and_a_size_fail_where_the_target_is_missed() -> None:
    assert Row("edge, int8: auc lost", 0.0011, "", target=0.001).is_gross_regression
    assert not Row("edge, int8: auc lost", 0.001, "", target=0.001).is_gross_regression
    assert Row("edge, int8", 31, "KiB", "float", 100, target=0.3).is_gross_regression


def test_a_time_alone_is_no_regression_because_computers_differ() -> None:
    assert not Row("edgeae --help", 5.0, "s", target=0.1).is_gross_regression


def test_the_processor_has_a_name() -> None:
    assert processor().endswith("cores")


def test_a_missed_target_and_a_peer_that_is_not_installed_are_said() -> None:
    rows = [
        Row("edgeae --help", 0.2, "s", target=0.15),
        Row("front end", None, "", "librosa", target=0.5),
    ]
    _, _, slow, missing = markdown(rows).splitlines()
    assert "| 0.15" in slow
    assert slow.rstrip(" |").endswith("missed")
    assert "librosa is not installed" in missing
    assert "missed" not in missing


def test_the_json_holds_numbers() -> None:
    (row,) = json.loads(as_json([Row("front end", 4.0, "us", "librosa", 10.0, target=0.5)]))
    assert (row["figure"], row["peer_figure"], row["ratio"], row["target"], row["met"]) == (
        4.0,
        10.0,
        0.4,
        0.5,
        True,
    )
