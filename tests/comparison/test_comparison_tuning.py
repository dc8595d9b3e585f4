import builtins
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphfuse.comparison.search_space import Range, apply_settings, search_space
from graphfuse.comparison.tuning import Trial, propose, require_optuna, tune
from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError, MissingDependencyError
from graphfuse.core.registry import names
from graphfuse.core.settings import TrainSettings
from graphfuse.models.concat import ConcatModel
from graphfuse.models.relational_attention import RelationalAttentionModel
from graphfuse.tasks.classification import Classification

sys.path.insert(0, str(Path(__file__).parent.parent / "training"))
from toy_training import EXPERIMENT, ToyFusion, made_store

pytest.importorskip("optuna", reason="optuna is not installed: pip install 'graphfuse[tuning]'")
TRAIN = TrainSettings(epochs=2, batch_size=8, learning_rate=0.01, seeds=(0, 1, 2), threads=1)
SECTION = {"name": "toy_training:ToyFusion"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("tuning") / "store")


def tuned(store, folder, trials=4, section=SECTION, **settings):
    return tune(store, EXPERIMENT, section, Classification(), TRAIN, folder, trials=trials, allowed=("toy_training", __name__), **settings)


@pytest.fixture(scope="module")
def once(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("once")
    return folder, tuned(store, folder)


def values(folder):
    """Return every trial's record."""
    return {path.parent.name: path.read_bytes() for path in sorted(folder.glob("trial-*/trial.json"))}


def test_the_first_trial_is_the_default_and_the_best_is_no_worse(once):
    _, result = once
    assert result.trials[0].settings == {"hidden_channels": 8, "train.learning_rate": 0.01, "train.weight_decay": 1e-4}
    assert result.best.value == max(trial.value for trial in result.trials) >= result.trials[0].value
    assert result.section == {**SECTION, "hidden_channels": result.best.settings["hidden_channels"]}
    assert result.train.learning_rate == result.best.settings["train.learning_rate"]
    assert result.train.seeds == TRAIN.seeds  # the final training is with all of them


def test_no_trial_sees_the_test_rows(once):
    folder, _ = once
    assert sorted(path.name for path in folder.glob("trial-0/run/predictions-*")) == ["predictions-validation.parquet"]
    for path in folder.glob("trial-*/run/metrics.json"):
        assert list(json.loads(path.read_text())["splits"]) == ["validation"]


def test_a_tuning_that_was_interrupted_goes_on_as_if_it_had_not_been(store, once, tmp_path):
    folder, whole = once
    tuned(store, tmp_path / "out", trials=2)
    shutil.rmtree(tmp_path / "out" / "trial-1")  # interrupted before its end was noted
    done = (tmp_path / "out" / "trial-0" / "trial.json").stat().st_mtime_ns
    again = tuned(store, tmp_path / "out", trials=4)
    assert values(tmp_path / "out") == values(folder)
    assert again == whole
    assert (tmp_path / "out" / "trial-0" / "trial.json").stat().st_mtime_ns == done


def test_a_finished_tuning_trains_nothing(store, once, monkeypatch):
    folder, whole = once
    monkeypatch.setattr("graphfuse.comparison.tuning.fit", lambda *_, **__: pytest.fail("trained again"))
    assert tuned(store, folder) == whole


def test_the_value_of_a_trial_is_the_mean_over_the_tuning_seeds(store, tmp_path):
    result = tuned(store, tmp_path, trials=1, seeds=(3, 4))
    metrics = json.loads((tmp_path / "trial-0" / "run" / "metrics.json").read_text())
    values = metrics["splits"]["validation"]["metrics"]["macro_f1"]["values"]
    assert metrics["seeds"] == [3, 4]
    assert result.best.value == pytest.approx(sum(values) / 2)


def test_trials_of_something_else_are_not_gone_on_with(store, once):
    folder, _ = once
    with pytest.raises(ConfigError, match=r"other: .*train\.seeds.*give another --out"):
        tuned(store, folder, seeds=(5,))


@dataclass(frozen=True, kw_only=True)
class NarrowOnly(ToyFusion):
    """A toy that breaks where it is wide."""

    def module(self, schema, decision):
        if self.hidden_channels > 8:
            raise RuntimeError("too wide")
        return super().module(schema, decision)


def test_a_failed_trial_is_told_and_skipped(store, tmp_path):
    result = tuned(store, tmp_path, trials=5, section={"name": f"{__name__}:NarrowOnly"})
    failed = result.to_json()["failures"]
    assert failed and all(failure["error"] == "RuntimeError: too wide" for failure in failed)
    assert [failure["trial"] for failure in failed] == [i for i, trial in enumerate(result.trials) if trial.settings["hidden_channels"] > 8]
    assert result.best.settings["hidden_channels"] == 8
    assert result.to_json()["trials"] == 5


@dataclass(frozen=True, kw_only=True)
class Broken(ToyFusion):
    """A toy that always breaks."""

    def module(self, schema, decision):
        raise RuntimeError("broken")


def test_a_model_of_which_no_trial_succeeds_says_so(store, tmp_path):
    with pytest.raises(ConfigError, match=r"none of 2 trials .*The first said: RuntimeError: broken"):
        tuned(store, tmp_path, trials=2, section={"name": f"{__name__}:Broken"})


def test_tuning_starts_from_given_settings_and_leaves_fixed_ones_alone(store, tmp_path):
    result = tuned(store, tmp_path, trials=2, section={**SECTION, "hidden_channels": 16}, fixed=("hidden_channels",))
    assert all("hidden_channels" not in trial.settings for trial in result.trials) and result.section["hidden_channels"] == 16
    started = tuned(store, tmp_path / "free", trials=1, section={**SECTION, "hidden_channels": 16})
    assert started.best.settings["hidden_channels"] == 16


def test_fixed_settings_are_not_searched(store):
    model = RelationalAttentionModel(hidden_channels=96)
    space = search_space(model, TRAIN, ("hidden_channels",), store.schema.node_types)
    assert "hidden_channels" not in space
    assert space["heads"] == (1, 2, 4, 8)
    assert apply_settings({"name": "x"}, TRAIN, {"heads": 2, "train.weight_decay": 0.0}) == (
        {"name": "x", "heads": 2},
        TrainSettings(epochs=2, batch_size=8, learning_rate=0.01, weight_decay=0.0, seeds=(0, 1, 2), threads=1),
    )


@pytest.mark.parametrize(("width", "heads"), [(64, 4), (60, 6), (48, 3), (7, 7), (64, 1)])
def test_heads_divide_the_width_wherever_one_looks(width, heads):
    space = search_space(RelationalAttentionModel(hidden_channels=width, heads=heads), TRAIN, (), ())
    widths, counts = space.get("hidden_channels", (width,)), space.get("heads", (heads,))
    assert width in widths and heads in counts
    assert all(wide % count == 0 for wide in widths for count in counts)


def test_a_readout_that_the_store_has_no_node_for_is_not_tried():
    model = RelationalAttentionModel()
    assert search_space(model, TRAIN, (), ("text_span",))["readout"] == ("attention", "mean")
    assert search_space(model, TRAIN, (), ("text_span", "sample"))["readout"] == ("attention", "mean", "sample")


def test_the_default_is_always_among_the_values():
    space = search_space(ConcatModel(dropout=0.8, hidden_channels=48), TrainSettings(learning_rate=0.1), (), ())
    assert space["dropout"] == Range(low=0.0, high=0.8)
    assert space["hidden_channels"] == (32, 48, 64, 128)
    assert space["train.learning_rate"] == Range(low=2e-4, high=0.1, log=True)
    assert "num_layers" not in space


@pytest.mark.parametrize("name", names("models"))
def test_every_model_can_be_made_from_proposed_settings(name):
    model = build("models", {"name": name}, "model")
    space = search_space(model, TRAIN, (), ("text_span", "sample"))
    assert {"train.learning_rate", "train.weight_decay"} < set(space)  # and something of its own
    done = []
    for _ in range(8):
        settings = propose(space, done, lower_is_better=False)
        build("models", apply_settings({"name": name}, TRAIN, settings)[0], "model")
        done.append(Trial(settings=settings, value=0.5))


def test_proposals_come_to_the_better_half():
    space = {"x": Range(low=0.0, high=1.0)}
    for lower_is_better, nearer in ((True, 0.0), (False, 1.0)):
        done = []
        for _ in range(25):
            x = propose(space, done, lower_is_better=lower_is_better)["x"] if done else 0.5
            done.append(Trial(settings={"x": x}, value=x))
        late = [trial.value for trial in done[12:]]
        assert abs(sum(late) / len(late) - nearer) < 0.25


def test_without_optuna_the_way_out_is_said(monkeypatch):
    real = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *rest: (_ for _ in ()).throw(ImportError(name)) if name == "optuna" else real(name, *rest)
    )
    with pytest.raises(MissingDependencyError, match=r'needs the package optuna. Run: pip install "graphfuse\[tuning\]"'):
        require_optuna()
