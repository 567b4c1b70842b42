"""Write .fuzz/machine.onnx, the calibrated artifact that the targets damage; small, to be fast.

python fuzz/seed.py
"""

import tempfile
from pathlib import Path

FOLDER = Path(".fuzz")
MACHINE = FOLDER / "machine.onnx"
SMALL = ["mel.n_mels=16", "mel.sample_rate=4000", "mel.f_max=2000", "mel.n_fft=256", "mel.hop=128"]


def main(work: Path) -> None:
    from edgeae.calibrate.calibrate import calibrate_files
    from edgeae.quantize.export import export
    from edgeae.runtime.scoring.detector import Detector
    from edgeae.train.config import load_config
    from edgeae.train.synth.dataset import write_dataset
    from edgeae.train.training import train

    data = write_dataset(
        work / "data",
        machines=[0, 1],
        train_clips=12,
        test_normals=0,
        test_anomalies=0,
        seconds=4.0,
        seed=1,
    )
    run = train(data, load_config("tiny", SMALL), work / "run")
    export(run, int8=True, report=print).write(run, work / "model.onnx")
    clips = sorted((data / "train").glob("*_id_00_*"))[:6]
    machine = calibrate_files(
        Detector.load(work / "model.onnx"), clips, machine="id_00", force=True, report=print
    )
    FOLDER.mkdir(exist_ok=True)
    machine.artifact.write(MACHINE)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
