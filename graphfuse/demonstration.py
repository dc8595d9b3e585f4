"""The whole line on made data: the verbs of `pipeline`, one after the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphfuse import pipeline
from graphfuse.core.progress import Progress, silent


def demo(out: str | Path = "demo", *, overrides: Sequence[str] = (), progress: Progress = silent) -> dict[str, Any]:
    """Run the whole line on made posts, whose label lies only in which word goes with which region.

    The fused model stands beside the same model on text alone and on pictures alone, each converted and trained
    by the same experiment without the other modality. Repeating the call resumes an interrupted one.
    """
    from graphfuse.config import load_experiment
    from graphfuse.conversion.recipe import with_only
    from graphfuse.core.build import build
    from graphfuse.core.files import write_bytes
    from graphfuse.report.planted import auc_of_planted

    out, planted = Path(out), Path(out) / "posts" / "planted.csv"
    write_bytes(out / "experiment.yaml", Path(__file__).with_name("demo.yaml").read_bytes())
    fused = load_experiment(out / "experiment.yaml", overrides)
    variants = {"fused": fused, "text only": with_only(fused, "text"), "image only": with_only(fused, "image")}
    stores, runs = {}, {}
    for name, experiment in variants.items():
        folder = name.replace(" ", "-")

        def labelled(done: int, total: int, label: str, name: str = name) -> None:
            progress(done, total, f"{name}, {label}")

        stores[name] = pipeline.convert(experiment, out / "stores" / folder, progress=labelled)
        runs[name] = pipeline.train(experiment, out / "stores" / folder, out / "runs" / folder, resume=True, progress=labelled)
    baselines = {name: runs[name]["run"] for name in variants if name != "fused"}
    pictures = build("datasets", fused.dataset.to_dict(), "dataset").picture_folder(out)
    looked = pipeline.analyse(
        runs["fused"]["run"], stores["fused"]["store"], out / "analysis", pictures=pictures, baselines=baselines, progress=progress
    )
    return {
        **{key: stores["fused"][key] for key in ("store", "num_samples", "nodes", "edges")},
        "metric": "accuracy",
        "test": {name: run["splits"]["test"]["metrics"]["accuracy"]["mean"] for name, run in runs.items()},
        "planted_edges_auc": {name: auc_of_planted(out / "analysis" / f"{name}.parquet", planted) for name in ("attention", "occlusion")},
        "report": looked["report"],
    }
