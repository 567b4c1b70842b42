"""The demo runs every step of the path and says what came out."""

from edgeae.evaluate import demo
from edgeae.runtime.commands.cli import run_command


def test_demo_runs_from_sound_to_summary(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "TRAIN_CLIPS", 10)
    monkeypatch.setattr(demo, "TEST_NORMALS", 3)
    monkeypatch.setattr(demo, "TEST_ANOMALIES", 4)
    monkeypatch.setattr(demo, "SECONDS", 4.0)
    folder = tmp_path / "demo"
    assert run_command(["demo", "-o", str(folder), "-c", "tiny"]) == 0
    out = capsys.readouterr().out
    for fault in ("imbalance", "bearing", "rubbing", "lost_blade", "(normal)"):
        assert fault in out
    assert "edgeae run machine.onnx --device hw:1" in out
    assert (folder / "machine.onnx").is_file()
    assert run_command(["demo", "-o", str(folder)]) == 2
