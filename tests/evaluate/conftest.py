"""An evaluation as one could have made it, without any recording."""

import pytest

from edgeae.evaluate.results.evaluation_result import (
    Alarms,
    Estimate,
    EvaluationResult,
    HarmonicMean,
    MachineResult,
    MeanRates,
    Ranking,
    Rates,
    ViewAreas,
    WorstMachine,
)

RATES = Rates(
    n_normal=50,
    n_anomaly=50,
    false_alarm_rate=Estimate(0.0, 0.0, 0.071),
    detection_rate=0.9,
    precision=1.0,
    recall=0.9,
    f1=0.947,
    recall_1_per_day=Estimate(0.8, 0.67, 0.888),
)
ALARMS = Alarms(
    normal_hours=1.0,
    false_alarms=0,
    false_alarms_per_day=Estimate(0.0, 0.0, 88.5),
    share_in_alarm=0.0,
    splices=20,
    early_alarms=0,
    delay_median_s=4.0,
    delay_p90_s=7.6,
    never_detected=0.1,
)


def ranking(auc: float, low: float, high: float) -> Ranking:
    """An AUC 0.02 above that without the network."""
    return Ranking(
        auc=Estimate(auc, low, high),
        no_network_auc=auc - 0.02,
        auc_difference=Estimate(0.02, 0.01, 0.03),
        pauc=Estimate(0.8, 0.7, 0.9),
        no_network_pauc=0.75,
        pauc_difference=Estimate(0.05, 0.01, 0.1),
    )


@pytest.fixture
def good_result() -> EvaluationResult:
    """Two machines on which everything is as it should be."""
    machines = {
        "id_00": MachineResult(
            ranking(0.98, 0.97, 0.99),
            RATES,
            False,
            ALARMS,
            views={"spectrum": ViewAreas(0.9, None)},
        ),
        "id_02": MachineResult(ranking(0.96, 0.94, 0.98), RATES, False, ALARMS),
    }
    return EvaluationResult(
        model="model.int8.onnx",
        head="gaussian",
        machines=machines,
        mean=ranking(0.97, 0.95, 0.98),
        mean_rates=MeanRates(0.0, 1.0, 0.9, 0.947, 0.8),
        harmonic_mean=HarmonicMean(0.97, 0.8),
        worst=WorstMachine.of(machines),
        rates=RATES,
        alarms=ALARMS,
        views={"spectrum": ViewAreas(0.8, 0.7)},
    )
