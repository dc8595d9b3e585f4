"""What conversion learns, from train rows only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from graphfuse.conversion.recipe import Recipe
from graphfuse.core.columns import is_among
from graphfuse.core.errors import InputError
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.tables import Manifest, NodeTable, State

DRAW_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """All that conversion of a row depends on, besides the row and the recipe."""

    states: Mapping[str, State]
    """By `Recipe.state_name`; a plug-in that learned nothing has an empty state."""
    schema: GraphSchema
    target: TargetSchema


def fit_states(recipe: Recipe, manifest: Manifest) -> Fitted:
    """Return what the recipe's plug-ins learn from the manifest's train rows.

    Edge builders that learn are shown the nodes of at most `convert.fit_samples` train rows, a seeded draw.

    Raises:
        InputError: If there are no train rows, they do not suffice for a plug-in, or a target has the name of something else.
    """
    _check_names(recipe, manifest.target)
    train = train_part(manifest)
    states: dict[str, State] = {recipe.state_name(modality): modality.fit(train) for modality in recipe.modalities}
    target = recipe.task.fit(train.samples[list(train.target)]) if train.target else TargetSchema(kind="none")
    if any(builder.needs_fit() for builder in recipe.edges):
        tables = _drawn_nodes(recipe, train, states)
        states |= {recipe.state_name(builder): builder.fit(tables) for builder in recipe.edges if builder.needs_fit()}
    return Fitted(states=states, schema=_schema(recipe, train, states), target=target)


def _check_names(recipe: Recipe, targets: Sequence[str]) -> None:
    """Raise if a target is called as what the table of samples says of each sample."""
    said = {f"has_{item.modality}" for item in recipe.modalities} | {f"num_{item.node_type}" for item in recipe.modalities}
    for name in sorted(said & set(targets)):
        raise InputError(
            f"A target may not be called '{name}', which says in a store what a sample has. Give it another name: "
            f"dataset.rename: {{{name}_in_file: {name}}}, and dataset.target: {name}_in_file."
        )


def train_part(manifest: Manifest) -> Manifest:
    """Return the train rows with only those users who occur in them, so that `fit` cannot see others (contract 4).

    Raises:
        InputError: If there are none.
    """
    train = manifest.train_rows()
    if not len(train):
        found = sorted(manifest.samples["split"].unique())
        raise InputError(
            f"Conversion learns from rows of the split 'train'; there are none (splits found: {', '.join(found) or 'none'}). "
            "Check dataset.split."
        )
    if "users" not in train.linked:
        return train
    frames = [train.samples, train.linked.get("interactions", train.samples)]
    people = pd.concat([frame["user_id"] for frame in frames if "user_id" in frame] or [pd.Series(dtype="str")])
    users = train.linked["users"]
    return replace(train, linked={**train.linked, "users": users[is_among(users["user_id"], people)].reset_index(drop=True)})


def _drawn_nodes(recipe: Recipe, train: Manifest, states: Mapping[str, State]) -> dict[str, NodeTable]:
    if len(train) > recipe.settings.fit_samples:
        drawn = np.random.default_rng(DRAW_SEED).choice(len(train), recipe.settings.fit_samples, replace=False)
        train = train.take(np.sort(drawn))
    return {modality.node_type: modality.nodes(train, states[recipe.state_name(modality)]) for modality in recipe.modalities}


def _schema(recipe: Recipe, train: Manifest, states: Mapping[str, State]) -> GraphSchema:
    state_of = {modality.node_type: states[recipe.state_name(modality)] for modality in recipe.modalities}
    return GraphSchema(
        channels_by_node_type={item.node_type: item.channels(state_of[item.node_type]) for item in recipe.modalities},
        modality_by_node_type={item.node_type: item.modality for item in recipe.modalities},
        edge_types=recipe.edge_types,
        entity_types=tuple(item.node_type for item in recipe.modalities if item.entities(train, state_of[item.node_type]) is not None),
    )
