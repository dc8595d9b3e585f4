"""Which word goes with which region: every world, model and seed of this folder's table, resumable.

Run `python experiments/planted/run.py --worlds easy medium`; what is finished is not run again. Then
`python experiments/planted/run.py --table` writes results.csv and the tables of README.md from what was run.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import graphfuse as gf
from graphfuse.config import load_experiment
from graphfuse.conversion.recipe import with_only
from graphfuse.core.build import build
from graphfuse.core.files import write_bytes, write_json
from graphfuse.report.choose import with_sample_ids
from graphfuse.report.planted import auc_of_planted
from graphfuse.store.frames import write_frame
from graphfuse.store.graph_store import GraphStore
from graphfuse.training.run import open_run

HERE = Path(__file__).parent
HARD = ["dataset.level=hard", "modalities.1.grid=4", "train.seeds=[0, 1, 2]"]
FEW = "edges=[{name: candidate, source: text_span, destination: image_region}, {name: membership}]"
ONE = "edges=[{name: candidate, source: text_span, destination: image_region}]"
WORLDS = {
    "easy": [],
    "medium": ["dataset.level=medium"],
    "medium, noisy": ["dataset.level=medium", "dataset.noise=0.05", "dataset.missing_pictures=0.2", "dataset.fillers=[4, 8]"],
    "hard, 12,000 rows": [*HARD, "dataset.train_rows=12000", FEW],
    "hard, 4,000 rows": [*HARD, ONE, "model.num_layers=1", "model.input_dropout=0.5", "train.epochs=250", "train.patience=0"],
}
"""Worlds by name: what differs from experiment.yaml."""

MODELS = {
    "relational_attention": [],
    "relational_mean": ["model.name=relational_mean"],
    "hgt": ["model.name=hgt"],
    "hetero_sage": ["model.name=hetero_sage"],
    "concat": ["model.name=concat"],
    "text only": [],
    "image only": [],
    "relational_attention, no product": ["model.product=false"],
    "relational_attention, mean readout": ["model.readout=mean"],
    "relational_mean, no product": ["model.name=relational_mean", "model.product=false"],
    "relational_mean, mean readout": ["model.name=relational_mean", "model.readout=mean"],
    "relational_attention, not centred": ["modalities.0.standardise=false", "modalities.1.standardise=false"],
}
"""Models by name; the last five are the ablation: what the product, the soft maximum and centred features buy."""

STORES = {name: name for name in ("text only", "image only", "relational_attention, not centred")}
"""Models with a store of their own; the others share one."""

MATCHING = ("relational_attention", "relational_mean")
"""Models whose edge scores are held against the planted edges."""


def main() -> None:
    """Run what is asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--worlds", nargs="*", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--work", type=Path, default=HERE.parents[1] / "runs" / "planted", help="where stores and runs go")
    parser.add_argument("--table", action="store_true", help="only write the tables")
    chosen = parser.parse_args()
    if not chosen.table:
        for world in chosen.worlds:
            run_world(world, chosen.models, chosen.work / folder_name(world))
    write_tables(chosen.work)


def folder_name(name: str) -> str:
    """Return a name without blanks and commas."""
    return name.replace(", ", "-").replace(",", "").replace(" ", "-")


def run_world(world: str, models: list[str], work: Path) -> None:
    """Convert a world, fit the linear models and train the others."""
    base = [*WORLDS[world], f"dataset.path={(work / 'posts').resolve()}"]
    store = None
    for model in models:
        path = work / "results" / f"{folder_name(model)}.json"
        if path.exists():
            continue
        experiment = load_experiment(HERE / "experiment.yaml", [*base, *MODELS[model]])
        if model in ("text only", "image only"):
            experiment = with_only(experiment, model.removesuffix(" only"))
        folder = work / "stores" / folder_name(STORES.get(model, "all"))
        gf.convert(experiment, folder)
        store = gf.open_store(folder)
        started = time.process_time()
        run = gf.train(experiment, store.path, work / "runs" / path.stem, resume=True)
        seconds = (time.process_time() - started) / len(experiment.train.seeds)
        result = {"world": world, "model": model, "parameters": run["parameters"], "cpu_seconds_per_seed": round(seconds, 1)}
        result |= {"epochs": run["epochs"], "accuracy": run["splits"]["test"]["metrics"]["accuracy"]}
        if model in MATCHING:
            result["edge_auc"] = edge_auc(work, work / "runs" / path.stem, store)
        write_json(path, result)
        print(json.dumps(result), flush=True)
    linear = work / "results" / "linear.json"
    if not linear.exists() and (work / "stores" / "all").exists():
        write_json(linear, {"world": world, "linear": linear_accuracies(gf.open_store(work / "stores" / "all"))})


def linear_accuracies(store: GraphStore) -> dict[str, float]:
    """Return the test accuracy of logistic regression on mean vectors: text, image, both side by side."""

    def means(split: str, node_type: str) -> np.ndarray:
        parts = []
        for batch in store.batches(split=split, batch_size=512):
            nodes = batch[node_type]
            total = np.zeros((batch.num_graphs, nodes.x.size(1)))
            np.add.at(total, nodes.batch.numpy(), nodes.x.numpy())
            parts.append(total / np.maximum(np.bincount(nodes.batch.numpy(), minlength=batch.num_graphs), 1)[:, None])
        return np.concatenate(parts)

    def labels(split: str) -> np.ndarray:
        return np.concatenate([batch.y.numpy() for batch in store.batches(split=split, batch_size=512)])

    accuracies = {}
    for name, types in {"text": ["text_span"], "image": ["image_region"], "concatenation": ["text_span", "image_region"]}.items():
        train, test = (np.hstack([means(split, node_type) for node_type in types]) for split in ("train", "test"))
        scaler = StandardScaler().fit(train)
        model = LogisticRegression(max_iter=500).fit(scaler.transform(train), labels("train"))
        accuracies[name] = float((model.predict(scaler.transform(test)) == labels("test")).mean())
    return accuracies


def edge_auc(work: Path, run: Path, store: GraphStore) -> dict[str, list[float]]:
    """Return, per analysis, the ROC AUC of edge scores against the planted edges of the test rows, for every seed."""
    opened = open_run(run)
    found: dict[str, list[float]] = {}
    for section in opened.experiment["analyses"]:
        analysis = build("analyses", section | ({"edge_samples": 300} if section["name"] == "occlusion" else {}), "analyses")
        for network in opened.networks:
            table = with_sample_ids(analysis.scores(network, store.batches(split="test", batch_size=256)), store)
            write_frame(work / "scores.parquet", table.frame)
            found.setdefault(section["name"], []).append(auc_of_planted(work / "scores.parquet", work / "posts" / "planted.csv"))
    return found


def write_tables(work: Path) -> None:
    """Write results.csv and the tables of README.md from every result there is."""
    rows: list[dict[str, Any]] = []
    for world in WORLDS:
        folder = work / folder_name(world) / "results"
        if (folder / "linear.json").exists():
            linear = json.loads((folder / "linear.json").read_text())["linear"]
            rows += [{"world": world, "model": f"linear: {name}", "accuracy": value} for name, value in linear.items()]
        for model in MODELS:
            path = folder / f"{folder_name(model)}.json"
            if path.exists():
                rows.append(_row(json.loads(path.read_text())))
    frame = pd.DataFrame(rows)
    write_bytes(HERE / "results.csv", frame.to_csv(index=False, float_format="%.4f").encode())
    page = HERE / "README.md"
    before, mark, rest = page.read_text(encoding="utf-8").partition("<!-- results: written by run.py -->")
    after = rest.partition("<!-- end of results -->")[2]
    write_bytes(page, f"{before}{mark}\n{_markdown(frame)}\n<!-- end of results -->{after}".encode())


def _row(result: dict[str, Any]) -> dict[str, Any]:
    accuracy = result["accuracy"]
    row = {
        "world": result["world"],
        "model": result["model"],
        "accuracy": accuracy["mean"],
        "low": accuracy["low"],
        "high": accuracy["high"],
    }
    row |= {"least": min(accuracy["values"]), "most": max(accuracy["values"]), "seeds": len(accuracy["values"])}
    row |= {"cpu_seconds_per_seed": result.get("cpu_seconds_per_seed"), "parameters": result["parameters"]}
    for name, values in result.get("edge_auc", {}).items():
        row |= {f"edge_auc_{name}": float(np.mean(values)), f"edge_auc_{name}_least": min(values)}
    return row


def _markdown(frame: pd.DataFrame) -> str:
    """Return one table per world."""
    lines = []
    for world, part in frame.groupby("world", sort=False):
        lines += [
            "",
            f"### {world}",
            "",
            "| model | test accuracy | 95 % interval | least seed | CPU s per seed | edge AUC attention / gradient / occlusion |",
        ]
        lines += ["|---|---|---|---|---|---|"]
        for row in part.to_dict("records"):
            interval = f"{row['low']:.3f} - {row['high']:.3f}" if pd.notna(row.get("low")) else ""
            least = f"{row['least']:.3f}" if pd.notna(row.get("least")) else ""
            seconds = f"{row['cpu_seconds_per_seed']:.0f}" if pd.notna(row.get("cpu_seconds_per_seed")) else ""
            edges = [row.get(f"edge_auc_{name}") for name in ("attention", "gradient", "occlusion")]
            shown = " / ".join(f"{value:.3f}" for value in edges) if pd.notna(edges[0]) else ""
            lines.append(f"| {row['model']} | {row['accuracy']:.3f} | {interval} | {least} | {seconds} | {shown} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
