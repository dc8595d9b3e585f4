"""Which fusion for which data? Every method on made worlds, on films and on posts; what is finished is not run again.

Run `python experiments/ladder/run.py --questions text combination`; then `python experiments/ladder/run.py --table`
copies each comparison's table to results/ and writes the matrix of methods and worlds, and the tables of the pages here.
"""

import argparse
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import graphfuse as gf
from graphfuse.config import load_experiment

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "ladder"
NOISY = ["dataset.combination=0", "dataset.noise=0.1", "dataset.train_rows=800", "dataset.validation_rows=400"]
EXTERNAL = ["external:FusilliConcat", "external:FusilliDecision", "external:FusilliCrossAttention", "external:TorchMultimodalAttention"]
SUBSET = ["concat", "average", "multimodal_vae", "cross_attention", "relational_attention"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One comparison: an experiment, what differs from it, and what is asked."""

    experiment: Path
    overrides: list[str] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)
    store: str = ""
    """The question whose store is used; its own if left out."""


def world(name: str, *overrides: str, **asked: Any) -> Question:
    """Return the comparison of all methods in a made world."""
    posts = f"dataset.path={(WORK / name / 'posts').resolve()}"
    return Question(experiment=HERE / "worlds.yaml", overrides=[posts, f"dataset.{name}=1", *overrides], asked=asked)


QUESTIONS = {
    "text": world("text", *NOISY),
    "image": world("image", *NOISY),
    "redundant": world("redundant", *NOISY),
    "combination": world("combination"),
    "controls": Question(
        experiment=HERE / "worlds.yaml",
        overrides=[f"dataset.path={(WORK / 'combination' / 'posts').resolve()}", "dataset.combination=1"],
        asked={"models": ["concat", "relational_attention"], "examined": ["relational_attention"], "controls": True},
        store="combination",
    ),
    "missing": Question(
        experiment=HERE / "worlds.yaml",
        overrides=[f"dataset.path={(WORK / 'redundant' / 'posts').resolve()}", "dataset.redundant=1", *NOISY],
        asked={"models": SUBSET, "examined": SUBSET, "missing": True, "rates": [0.5, 1.0]},
        store="redundant",
    ),
    "movies": Question(experiment=HERE / "movies.yaml"),
    "external": Question(
        experiment=HERE / "movies.yaml",
        asked={"models": ["concat", "average", "gated_unit", "cross_attention", *EXTERNAL], "baseline": "concat"},
        store="movies",
    ),
    "posts": Question(
        # as in the third look of that folder: a picture counts once, however many posts show it
        experiment=HERE.parent / "vmu" / "experiment.yaml",
        overrides=["train.modality_dropout={text: 0.3, image: 0.97, user: 0.3}"],
    ),
}
"""Comparisons by name. The four worlds differ in where the label lies; films and posts are real."""


def main() -> None:
    """Run what is asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--questions", nargs="*", default=list(QUESTIONS), choices=list(QUESTIONS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only write the tables")
    chosen = parser.parse_args()
    if not chosen.table:
        for name in chosen.questions:
            ask(name, seeds=chosen.seeds, workers=chosen.workers)
        return
    from tables import write_tables

    write_tables(WORK, HERE, [name for name in QUESTIONS if (WORK / name / "comparison" / "comparison.json").exists()])


def ask(name: str, *, seeds: int, workers: int) -> None:
    """Convert what one question needs, and compare."""
    question = QUESTIONS[name]
    store = WORK / (question.store or name) / "store"
    experiment = load_experiment(question.experiment, question.overrides)
    if not (store / "index.json").exists():
        gf.convert(experiment, store, progress=tell)
    allowed = ["external"] if question.store == "movies" else []
    if allowed:  # processes that train have to find the plug-ins too
        os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        sys.path.insert(0, str(HERE))
    found = gf.compare(
        experiment, store, WORK / name / "comparison", workers=workers, allowed=allowed, progress=tell, seeds=seeds, **question.asked
    )
    print("\n".join([name, *found["conclusions"], *(finding["sentence"] for finding in found.get("controls", []))]), flush=True)


def tell(done: int, total: int, label: str) -> None:
    """Print a line per step."""
    print(f"  {done} of {total} {label}", flush=True)


if __name__ == "__main__":
    main()
