"""The views of a feature vector."""

import pytest

from edgeae.runtime.model.sections import ViewSection
from edgeae.runtime.scoring.views import from_sections, sources_of, to_sections, views_of
from edgeae.runtime.scoring.window_features import n_features_of


@pytest.mark.parametrize("n_mels", [8, 64, 128])
def test_the_views_hold_every_feature_but_the_energy_once(n_mels: int) -> None:
    n = n_features_of(n_mels)
    views = views_of(n_mels)
    assert [view.name for view in views] == ["spectrum", "variation", "residual"]
    features = [k for view in views for k in range(n)[view.features]]
    assert features == list(range(1, n))


def test_the_spectrum_has_a_feature_for_each_band() -> None:
    spectrum, variation, residual = views_of(64)
    sizes = [view.features.stop - view.features.start for view in (spectrum, variation, residual)]
    assert sizes == [64, 32, 96]


def test_the_spectrum_and_the_variation_are_of_one_source() -> None:
    sources = sources_of(views_of(64))
    assert sources == {"input": slice(1, 97), "residual": slice(97, 193)}


def test_views_survive_their_sections() -> None:
    views = views_of(64)
    assert from_sections(to_sections(views), n_features_of(64)) == views


def test_an_identity_embedding_is_a_view_of_a_source_of_its_own() -> None:
    n = n_features_of(64)
    views = views_of(64, 10)
    assert views[:3] == views_of(64)
    assert views[3].features == sources_of(views)["identity"] == slice(n, n + 10)
    assert from_sections(to_sections(views), n + 10) == views


def _sections(*items: tuple[str, str, int, float]) -> list[ViewSection]:
    return [ViewSection(*item) for item in items]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ([], "do not hold 13 features"),
        (_sections(("a", "input", 5, 1), ("b", "residual", 6, 1)), "do not hold 13 features"),
        (_sections(("a", "input", 6, 1), ("a", "residual", 6, 1)), "one name"),
        (
            _sections(("a", "input", 3, 1), ("b", "residual", 6, 1), ("c", "input", 3, 1)),
            "follow each other",
        ),
        (_sections(("a", "residual", 6, 1), ("b", "input", 6, 1)), "no view of the input"),
        (_sections(("a", "input", 12, 1)), "no view of the input or of the residual"),
        (_sections(("a", "input", 6, 0), ("b", "residual", 6, 1)), "has a weight"),
    ],
)
def test_views_that_do_not_fit_are_refused(sections: list[ViewSection], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_sections(sections, 13)
