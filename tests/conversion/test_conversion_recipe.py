"""A recipe's plug-ins fit together, or all that is wrong is said at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from toy_plugins import Words

from graphfuse.config import Experiment, Section
from graphfuse.conversion.recipe import Recipe, check_edge_types, check_node_types
from graphfuse.core.errors import ConfigError, UnsafeError
from graphfuse.core.settings import ConvertSettings, TrainSettings
from graphfuse.edges.candidate import CandidateEdges
from graphfuse.edges.sequence import SequenceEdges
from graphfuse.edges.spatial import SpatialEdges


def experiment(modalities=("text",), edges=("sequence", "membership"), task="classification"):
    def sections(items):
        return tuple(Section(name=item) if isinstance(item, str) else Section(name=item["name"], settings=item["set"]) for item in items)

    return Experiment(
        folder=Path(),
        dataset=Section(name="table"),
        modalities=sections(modalities),
        edges=sections(edges),
        task=Section(name=task),
        model=Section(name="concat"),
        convert=ConvertSettings(),
        train=TrainSettings(),
        analyses=(),
    )


def test_a_sample_modality_is_added_where_there_is_none():
    assert Recipe.build(experiment()).node_types == ("text_span", "sample")
    assert Recipe.build(experiment(modalities=["sample", "text"])).node_types == ("sample", "text_span")


def test_edge_types_come_in_builder_order_each_with_its_reverses():
    assert Recipe.build(experiment()).edge_types == (
        ("text_span", "precedes", "text_span"),
        ("text_span", "rev_precedes", "text_span"),
        ("text_span", "belongs_to", "sample"),
        ("sample", "rev_belongs_to", "text_span"),
    )


def test_states_are_named_by_place_and_plug_in():
    recipe = Recipe.build(experiment())
    names = [recipe.state_name(plugin) for plugin in (*recipe.modalities, *recipe.edges)]
    assert names == ["modalities-0-text", "modalities-1-sample", "edges-0-sequence", "edges-1-membership"]


def test_all_problems_are_reported_at_once_with_their_paths():
    wrong = experiment(
        modalities=[{"name": "text", "set": {"unitt": "word"}}], edges=["sequenze", {"name": "temporal", "set": {"hops": 0}}], task="rank"
    )
    with pytest.raises(ConfigError) as caught:
        Recipe.build(wrong)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "modalities.0.unitt",
        "edges.0.name",
        "edges.1.hops",
        "task.name",
    ]
    assert "Did you mean 'unit'?" in str(caught.value)
    assert "Did you mean 'sequence'?" in str(caught.value)


def test_two_builders_of_one_edge_type_are_refused():
    with pytest.raises(
        ConfigError, match=r"edges\.1: only one builder may make 'text_span__precedes__text_span' \(edges\.0 does already\)"
    ):
        Recipe.build(experiment(edges=["sequence", {"name": "sequence", "set": {"hops": 2}}]))


def test_two_modalities_of_one_node_type_are_refused():
    assert check_node_types([Words(), Words()])[0].startswith("modalities.1: only one modality may give the node type 'text_span'")


def test_a_node_type_that_cannot_name_a_file_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Odd(Words):
        node_type: ClassVar[str] = "text__span"

    assert check_node_types([Odd()]) == ["modalities.0: a node type is made of letters, digits and single underscores (got 'text__span')."]


def test_a_builder_that_makes_no_edges_is_refused():
    (problem,) = check_edge_types([SpatialEdges()], ("text_span", "sample"))
    assert problem.startswith("edges.0: makes no edges among the node types of the modalities (text_span, sample). Add the modality")


def test_a_builder_between_unknown_node_types_is_refused_with_its_path():
    (problem,) = check_edge_types([SequenceEdges(), CandidateEdges(destination="text_spam")], ("text_span",))
    assert problem.startswith("edges.1.destination: must be a node type")
    assert "Did you mean 'text_span'?" in problem


def test_a_plug_in_from_outside_needs_permission():
    with pytest.raises(UnsafeError, match="--allow-plugin toy_plugins"):
        Recipe.build(experiment(modalities=["toy_plugins:Words"]))
    assert Recipe.build(experiment(modalities=["toy_plugins:Words"]), allowed=("toy_plugins",)).node_types == ("text_span", "sample")
