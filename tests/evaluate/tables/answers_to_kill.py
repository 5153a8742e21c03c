"""Files of answers that are killed while they are written; run as a program, as road_to_kill.py."""

import importlib.util
from pathlib import Path

TARGETS = ["t.parquet", "t.arrow", "t.csv", "t.tsv.gz", "t.jsonl", "t.npy", "t.tfrecord"]
"""Those that go on where they were."""
ANEW = ["t.h5", "t.orc", "t.db"]


def score(begun, export, rows, out):
    """Answers a file by small chunks, of which each is made safe. Nothing of TensorFlow runs before."""
    import blocks
    from blocks.data.writing import checkpoints
    from blocks.evaluate.tables import write_answers as scoring
    from blocks.export.exported_predictor import ExportedPredictor

    predictor = ExportedPredictor(export)
    checkpoints.CHECKPOINT_BYTES, scoring.CHUNK_ROWS = 4_000, 128
    begun()
    scoring.write_answers(predictor, blocks.read(rows), out, keys=["id"], verbose=0)


if __name__ == "__main__":
    import blocks.evaluate.tables.write_answers  # noqa: F401

    spec = importlib.util.spec_from_file_location("road", Path(__file__).parents[2] / "road_to_kill.py")
    road = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(road)
    road.attempts(score)
