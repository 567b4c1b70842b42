"""Write FOLDER/model.int8.onnx and FOLDER/normal.wav: a minute of training, to check an install.

python scripts/make-artifact.py FOLDER
"""

import shutil
import sys
from pathlib import Path

from edgeae.quantize.export import export
from edgeae.train.config import load_config
from edgeae.train.synth.dataset import write_dataset
from edgeae.train.training import train


def main(folder: Path) -> None:
    data = write_dataset(
        folder / "data",
        machines=[0, 1],
        train_clips=12,
        test_normals=0,
        test_anomalies=0,
        seconds=4.0,
        seed=1,
    )
    run = train(data, load_config("tiny"), folder / "run")
    export(run, int8=True, report=print).write(run, folder / "model.int8.onnx")
    shutil.copy(data / "train" / "normal_id_00_00000000.wav", folder / "normal.wav")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
