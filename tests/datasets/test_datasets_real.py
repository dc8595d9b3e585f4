"""Two real data sets come out whole; skipped where they are absent."""

from collections import Counter
from pathlib import Path

import pytest

from graphfuse.core.build import build
from graphfuse.reading.raw_table import read_table

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_vmu = pytest.mark.skipif(not (DATA / "vmu").is_dir(), reason="needs ../shared/data/vmu, which is not part of the project")
needs_ml100k = pytest.mark.skipif(not (DATA / "ml100k").is_dir(), reason="needs ../shared/data/ml100k, which is not part of the project")

VMU = {
    "name": "table",
    "path": {"train": "dev.tsv", "test": "test.tsv"},
    "rename": {"image_id": "image_id(s)"},
    "sample_id": "post_id",
    "target": "label",
    "user_id": "user_id",
    "time": "timestamp",
    "group": {"column": "image_id", "pattern": r"^(.+?)(?:_(?:fake|real|video))?_?\d*\s*(?:,.*)?$"},
    "pictures": {"columns": ["image_id"], "folder": "images"},
    "joins": [{"path": [f"{part}_{kind}_features.csv" for part in ("dev", "test")], "key": "post_id"} for kind in ("user", "post")],
    "split": {"by": "group"},
}


@needs_vmu
def test_every_post_comes_out_and_events_stay_whole():
    data = build("datasets", VMU, "dataset")
    manifest = data.manifest(DATA / "vmu")
    samples = manifest.samples
    assert len(samples) == 15_629 + 2_228
    assert not any(rejection.dropped for rejection in manifest.rejections)
    assert samples["label"].value_counts().to_dict() == {"fake": 9_404 + 1_230, "real": 6_225 + 998}
    assert samples.groupby("group")["split"].nunique().max() == 1
    assert (samples["split"] == "test").sum() == 2_228
    assert not samples["time"].isna().any()
    assert (samples["num_followers"] != "").all()
    assert Counter(r.reason for r in manifest.rejections if r.table == "samples") == {"picture_missing": 3_835}
    assert (samples["pictures"].map(len) > 0).sum() == 13_416 + 698

    again = data.for_prediction(DATA / "vmu" / "test.tsv").manifest(Path("/"))
    columns = [name for name in again.samples if name not in ("split", "source_row")]
    assert again.samples[columns].equals(samples[samples["split"] == "test"].reset_index(drop=True)[columns])


@needs_ml100k
def test_a_csv_of_films_is_read_whole():
    raw = read_table(DATA / "ml100k" / "metadata.csv")
    assert (len(raw.frame), raw.rejections) == (1_682, ())
    assert raw.frame["title"][0] == "Toy Story (1995)"
