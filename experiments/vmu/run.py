"""Run the whole experiment: `python experiments/vmu/run.py [--work runs/vmu]`. What is finished is never done again.

Stores, runs and predictions go to the work folder, figures to this one: results.json, results.csv and the tables in README.md.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from intervals import METRICS, Floats, claims_of, drawn_counts, measure, over_draws, over_seeds
from sparse_text import fake_probabilities
from tables import write_results

import graphfuse as gf
from graphfuse.config import Experiment, as_experiment, load_experiment
from graphfuse.conversion.fit import fit_states
from graphfuse.conversion.recipe import Recipe, with_only
from graphfuse.conversion.shard import Job, convert_rows
from graphfuse.core.build import build
from graphfuse.core.tables import Manifest
from graphfuse.store.frames import read_frame, write_frame

HERE = Path(__file__).resolve().parent
MINILM = "modalities.0.encoder={name: transformers_text, model: minilm}"
CONCAT = "model={name: concat, hidden_channels: 32, dropout: 0.3, input_dropout: 0.5}"
ALONE = "train.modality_dropout={}"
"""With one modality there is nothing to do without."""
FIRST = ("train.epochs=8", "train.learning_rate=1.0e-3", "train.schedule=cosine")
"""The settings of the first look, which train until the networks know dev by heart."""
ONCE = ("concat", "relational_attention", "relational_mean")
GRAPHS = ("relational_attention", "relational_mean", "hgt", "hetero_sage")
RANDOM = ("dataset.path=../../../shared/data/vmu/dev.tsv", "dataset.split={by: random, validation: 0.1, test: 0.2}")
DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Method:
    """A network on a store."""

    store: str
    model: str
    overrides: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[str, ...]:
        """Return the overrides that name the model; its settings are those of experiment.yaml."""
        return (CONCAT if self.model == "concat" else f"model.name={self.model}", *self.overrides)


RARELY = "train.modality_dropout={text: 0.3, image: 0.97, user: 0.3}"
"""A picture counts once, however many posts show it: 378 pictures under 13,416 posts are kept with chance 378 / 13,416."""

NOW = {
    "text (n-grams)": Method(store="text", model="concat", overrides=(ALONE,)),
    "text (MiniLM)": Method(store="text-minilm", model="concat", overrides=(ALONE,)),
    "image": Method(store="image", model="concat", overrides=(ALONE,)),
    "user": Method(store="user", model="concat", overrides=(ALONE,)),
    "concat": Method(store="all", model="concat"),
    **{name: Method(store="all", model=name) for name in GRAPHS},
    "concat, no pictures": Method(store="no-pictures", model="concat", overrides=("train.modality_dropout={text: 0.3, user: 0.3}",)),
    "relational_attention, no pictures": Method(
        store="no-pictures", model="relational_attention", overrides=("train.modality_dropout={text: 0.3, user: 0.3}",)
    ),
    "concat, MiniLM": Method(store="all-minilm", model="concat", overrides=(MINILM,)),
    "relational_attention, MiniLM": Method(store="all-minilm", model="relational_attention", overrides=(MINILM,)),
}
"""By name; all learn by the same settings, those of experiment.yaml."""
THEN = {f"{name}, first look": replace(method, overrides=(*method.overrides, *FIRST)) for name, method in NOW.items()}
COUNTED_ONCE = {
    **{f"{name}, pictures once": Method(store="all", model=name, overrides=(RARELY,)) for name in ONCE},
    "no edges, pictures once": Method(store="all", model="relational_mean", overrides=("model.num_layers=0", RARELY)),
}
"""The third look, and its control: the graph models' projections and readout without any message."""
METHODS = NOW | COUNTED_ONCE | THEN
MAIN = "relational_attention"


@dataclass(frozen=True, kw_only=True)
class Study:
    """The folders, and what is read once."""

    work: Path
    seeds: tuple[int, ...]

    @cached_property
    def experiment(self) -> Experiment:
        """Return the experiment file's content."""
        return as_experiment(load_experiment(HERE / "experiment.yaml"), [f"train.seeds={list(self.seeds)}"])

    @cached_property
    def manifest(self) -> Manifest:
        """Return all posts with the official split."""
        return self.read(self.experiment)

    @cached_property
    def posts(self) -> pd.DataFrame:
        """Return the rows of the manifest."""
        return self.manifest.samples

    def read(self, experiment: Experiment) -> Manifest:
        """Return the posts of a variant."""
        return build("datasets", experiment.dataset.to_dict(), "dataset").manifest(experiment.folder)

    def variant(self, store: str) -> Experiment:
        """Return the experiment that makes a store."""
        whole = self.experiment
        if store in ("text", "image", "user"):
            return with_only(whole, store)
        if store == "text-minilm":
            return with_only(as_experiment(whole, [MINILM]), "text")
        if store == "no-pictures":
            value = whole.to_json()
            value["modalities"] = [part for part in value["modalities"] if part["name"] != "image"]
            value["edges"] = [part for part in value["edges"] if part["name"] not in ("spatial", "candidate")]
            return Experiment.from_json(value | {"train": value["train"] | {"modality_dropout": {}}}, whole.folder)
        return as_experiment(whole, {"all": (), "all-minilm": (MINILM,), "random": RANDOM}[store])

    def store(self, name: str) -> Path:
        """Return a store, made if it is not there."""
        path = self.work / "stores" / name
        if not (path / "index.json").exists():
            say(f"convert {name}")
            gf.convert(self.variant(name), path)
        return path

    def train(self, name: str, method: Method) -> dict[str, Any]:
        """Return the figures of a run; seeds that are done are not done again."""
        experiment = as_experiment(self.variant(method.store), method.settings)
        return gf.train(experiment, self.store(method.store), self.work / "runs" / slug(name), resume=True, progress=Progress(name))

    def probabilities(self, name: str, method: Method, without: str | None = None) -> Floats:
        """Return the probability of `fake` per seed and test post, with one modality's nodes taken away if asked.  [seeds, posts]."""
        path = self.work / "predictions" / f"{slug(name)}{'-without-' + without if without else ''}.parquet"
        if not path.exists():
            write_frame(path, predict(self.work / "runs" / slug(name), self.store(method.store), without))
        return read_frame(path).drop(columns="sample_id").to_numpy(dtype=np.float64).T


def predict(run: Path, store: Path, without: str | None) -> pd.DataFrame:
    """Return the ids of the test posts, in the order of the store, and a column of probabilities per seed."""
    import torch

    from graphfuse.training.run import open_run

    opened, graphs = open_run(run), gf.open_store(store)
    fake = graphs.target.classes.index("fake")
    columns: dict[str, list[Any]] = {f"seed_{number}": [] for number in range(len(opened.networks))}
    with torch.no_grad():
        for batch in graphs.batches("test", batch_size=256):
            gone = {kind: torch.zeros(batch[kind].num_nodes) for kind, of in graphs.schema.modality_by_node_type.items() if of == without}
            for network, column in zip(opened.networks, columns.values(), strict=True):
                column.append(network(batch, node_weight_dict=gone or None).logits.double().softmax(dim=-1)[:, fake])
    ids = graphs.samples["sample_id"].to_numpy()[graphs.indices("test")]
    return pd.DataFrame({"sample_id": ids, **{name: torch.cat(column).numpy() for name, column in columns.items()}})


class Progress:
    """A line per five epochs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, done: int, total: int, label: str) -> None:
        """Say how far a run is."""
        if done % 8 == 0:
            say(f"{self.name}: {done} of {total} epochs, {label}")


def say(line: str) -> None:
    """Print at once, so that a log tells where the work is."""
    print(line, flush=True)


def slug(name: str) -> str:
    """Return a folder name."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")


def figures(predictions: Mapping[str, Floats], fake: Any, counts: Floats) -> dict[str, dict[str, Any]]:
    """Return per method and metric: mean over seeds, its interval over claims and over seeds, and the draws (for differences)."""
    found: dict[str, dict[str, Any]] = {}
    for name, rows in predictions.items():
        measured = [measure(row, fake, counts) for row in np.atleast_2d(rows)]
        found[name] = {}
        for metric in METRICS:
            draws = np.mean([one[metric] for one in measured], axis=0)
            per_seed = [float(one[metric][0]) for one in measured]
            found[name][metric] = {"mean": float(draws[0]), "claims": over_draws(draws), "seeds": over_seeds(per_seed), "draws": draws}
    return found


def differences(found: Mapping[str, dict[str, Any]], pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return first minus second on the same draws of claims, with the share of draws in which the first is ahead."""
    rows = []
    for first, second in pairs:
        row: dict[str, Any] = {"first": first, "second": second}
        for metric in METRICS:
            gap = found[first][metric]["draws"] - found[second][metric]["draws"]
            row[metric] = {"mean": float(gap[0]), "claims": over_draws(gap), "ahead": float(np.mean(gap[1:] > 0))}
        rows.append(row)
    return rows


def ids_are_no_features(study: Study, rows: int = 300) -> bool:
    """Return whether the graphs of some test posts stay the same, bit for bit, when every picture is given another name."""
    recipe = Recipe.build(study.experiment)
    fitted = fit_states(recipe, study.manifest)
    part = study.manifest.take(np.flatnonzero((study.posts["split"] == "test") & (study.posts["pictures"].map(len) > 0))[:rows])
    with tempfile.TemporaryDirectory(dir=study.work) as folder:
        names = sorted({name for row in part.samples["pictures"] for name in row})
        fresh = dict(zip(names, np.random.default_rng(0).permutation(len(names)), strict=True))
        for name, number in fresh.items():
            Path(folder, f"{number}{Path(name).suffix}").write_bytes((part.root / name).read_bytes())
        renamed = [[f"{fresh[name]}{Path(name).suffix}" for name in row] for row in part.samples["pictures"]]
        other = Manifest(samples=part.samples.assign(pictures=renamed, image_id="", group=""), root=Path(folder), target=part.target)
        job = Job(recipe=recipe, fitted=fitted, folder=study.work, shared={})
        one, two = convert_rows(job, part), convert_rows(job, other)
    same_nodes = all(np.array_equal(one.nodes[kind].x, two.nodes[kind].x) for kind in one.nodes)
    return same_nodes and all(np.array_equal(a.index, b.index) for a, b in zip(one.edges, two.edges, strict=True))


def random_split(study: Study) -> dict[str, Any]:
    """Return what a random split of dev would have promised, and how many of its test posts show a picture of a train post."""
    experiment = study.variant("random")
    posts = study.read(experiment).samples
    train, test = posts[posts["split"] != "test"], posts[posts["split"] == "test"]
    fake = (test["label"] == "fake").to_numpy()
    counts = np.ones((1, len(test)))
    method = Method(store="random", model=MAIN, overrides=("train.seeds=[0]", *FIRST))
    study.train("random split", method)
    predictions = {"TF-IDF": fake_probabilities(train, test), MAIN: study.probabilities("random split", method)[0]}
    claims = claims_of(posts["image_id"].tolist())
    shared = np.isin(claims[(posts["split"] == "test").to_numpy()], claims[(posts["split"] != "test").to_numpy()])
    scores = {
        name: {metric: float(values[0]) for metric, values in measure(row, fake, counts).items()} for name, row in predictions.items()
    }
    return {"posts": len(test), "picture_in_train": float(shared.mean()), "scores": scores}


def missingness(posts: pd.DataFrame) -> list[dict[str, Any]]:
    """Return per split and presence of a picture how many posts there are and which share of them is fake."""
    frame = posts.assign(
        part=np.where(posts["split"] == "test", "test", "dev"), picture=posts["pictures"].map(len) > 0, fake=posts["label"] == "fake"
    )
    grouped = frame.groupby(["part", "picture"])["fake"].agg(["size", "mean"]).reset_index()
    return [
        {"split": r["part"], "picture": bool(r["picture"]), "posts": int(r["size"]), "fake": float(r["mean"])}
        for r in grouped.to_dict("records")
    ]


def main() -> None:
    """Convert, train, predict, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE.parents[1] / "runs" / "vmu", help="where stores, runs and predictions go")
    parser.add_argument("--seeds", type=int, default=5, help="seeds per network; fewer for a first look")
    parser.add_argument("--results", type=Path, default=HERE, help="where results.json, results.csv and the tables in README.md go")
    given = parser.parse_args()
    study = Study(work=given.work, seeds=tuple(range(given.seeds)))
    # 1. Train every network, and predict the test posts with each seed's.
    summaries = {name: study.train(name, method) for name, method in METHODS.items()}
    predictions = {name: study.probabilities(name, method) for name, method in METHODS.items()}
    for name in (MAIN, f"{MAIN}, first look"):
        predictions[f"{name}, pictures taken away"] = study.probabilities(name, METHODS[name], without="image")
    # 2. The sparse text models, and their means with the networks: one half each.
    posts, test = study.posts, study.posts[study.posts["split"] == "test"]
    sparse = fake_probabilities(posts[posts["split"] != "test"], test)
    sparse_train = fake_probabilities(posts[posts["split"] == "train"], test)
    always = {"always fake": np.ones(len(test)), "TF-IDF": sparse, "TF-IDF, train rows only": sparse_train}
    predictions = always | predictions
    for name in (*NOW, *COUNTED_ONCE, *(f"{name}, first look" for name in ("concat", *GRAPHS, f"{MAIN}, no pictures"))):
        predictions[f"{name} + TF-IDF"] = (predictions[name] + sparse) / 2
    predictions[f"{MAIN} + TF-IDF, train rows only"] = (predictions[MAIN] + sparse_train) / 2
    # 3. Measure, by posts and by drawing claims.
    fake = (test["label"] == "fake").to_numpy()
    claims = claims_of(test["image_id"].tolist())
    found = figures(predictions, fake, drawn_counts(claims, DRAWS, seed=0))
    pictured = (test["pictures"].map(len) > 0).to_numpy()
    part = figures(
        {name: np.atleast_2d(rows)[:, pictured] for name, rows in predictions.items()}, fake[pictured], np.ones((2, int(pictured.sum())))
    )
    pairs = [(name, "concat") for name in GRAPHS]
    pairs += [
        (f"{MAIN}, MiniLM", "concat, MiniLM"),
        (f"{MAIN}, no pictures", "concat, no pictures"),
        (f"{MAIN}, first look", "concat, first look"),
    ]
    pairs += [(f"{name}, pictures once", f"{other}, pictures once") for other in ("concat", "no edges") for name in ONCE[1:]]
    pairs += [(f"{MAIN}, pictures once", f"{MAIN}, no pictures"), ("concat, pictures once", "concat, no pictures")]
    pairs += [(MAIN, f"{MAIN}, no pictures"), (MAIN, f"{MAIN}, pictures taken away"), ("concat", "concat, no pictures")]
    pairs += [(f"{MAIN} + TF-IDF", "TF-IDF"), (f"{MAIN} + TF-IDF", "concat + TF-IDF"), (MAIN, f"{MAIN}, first look")]
    write_results(
        given.results,
        {
            "seeds": list(study.seeds),
            "claims": int(claims.max()) + 1,
            "store": {
                key: value
                for key, value in gf.inspect(study.store("all")).items()
                if key in ("samples", "nodes", "edges", "rejections", "dropped")
            },
            "missingness": missingness(posts),
            "ids_are_no_features": ids_are_no_features(study),
            "methods": {name: {m: {k: v for k, v in one.items() if k != "draws"} for m, one in row.items()} for name, row in found.items()},
            "with_picture": {
                "posts": int(pictured.sum()),
                "methods": {n: {m: one["mean"] for m, one in row.items()} for n, row in part.items()},
            },
            "differences": differences(found, pairs),
            "validation": {n: {m: s["splits"]["validation"]["metrics"][m]["mean"] for m in METRICS} for n, s in summaries.items()},
            "random_split": random_split(study),
        },
    )
    say(json.dumps({"results": str(given.results / "results.json")}))


if __name__ == "__main__":
    main()
