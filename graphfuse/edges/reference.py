"""Interaction replies to interaction or sample; optionally, user interacts with sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from graphfuse.core.schema import EdgeType
from graphfuse.core.sockets import EdgeBuilder
from graphfuse.core.tables import EdgeTable, NodeTable, Rejection, State
from graphfuse.edges._helpers import all_pairs, edge_table, joined, text_column

TO_INTERACTION: EdgeType = ("interaction", "replies_to", "interaction")
TO_SAMPLE: EdgeType = ("interaction", "replies_to", "sample")
BY_USER: EdgeType = ("user", "interacts_with", "sample")


@dataclass(frozen=True, kw_only=True)
class ReferenceEdges(EdgeBuilder):
    """Links every interaction to what it answers: another interaction of the sample (`reply_to`), or the sample itself."""

    users: bool = False
    """Also link every user who interacted straight to the sample, once however often."""

    def edge_types(self, node_types: Sequence[str]) -> tuple[EdgeType, ...]:
        """Return the reply relations where there are interactions (and sample nodes, and users if asked for)."""
        if "interaction" not in node_types:
            return ()
        types = [TO_INTERACTION]
        if "sample" in node_types:
            types.append(TO_SAMPLE)
            if self.users and "user" in node_types:
                types.append(BY_USER)
        return tuple(types)

    def edges(self, tables: Mapping[str, NodeTable], state: State) -> list[EdgeTable]:
        """Return replies, and a rejection for each one whose `reply_to` is not among the sample's other interactions."""
        types = self.edge_types(tuple(tables))
        if not types:
            return []
        interactions = tables["interaction"]
        ids, targets = text_column(interactions, "interaction_id"), text_column(interactions, "reply_to")
        source, destination = joined(interactions, targets, interactions, ids)
        other = source != destination
        source, destination = source[other], destination[other]
        result = [_with_dangling(edge_table(TO_INTERACTION, source, destination), ids, targets)]
        if TO_SAMPLE in types:
            direct = np.flatnonzero((targets == "").to_numpy())
            place, sample = all_pairs(interactions.sample[direct], tables["sample"].sample)
            result.append(edge_table(TO_SAMPLE, direct[place], sample))
        if BY_USER in types:
            result.append(_by_user(tables))
        return result


def _with_dangling(replies: EdgeTable, ids: "pd.Series[str]", targets: "pd.Series[str]") -> EdgeTable:
    """Return the replies with a rejection per `reply_to` that led nowhere."""
    answered = np.zeros(len(ids), dtype=bool)
    answered[replies.index[0]] = True
    rejections = tuple(
        Rejection(
            table="interactions",
            row=-1,
            key=ids.iloc[row],
            column="reply_to",
            reason="reply_target_missing",
            detail=f"reply_to must be another interaction of the same sample (got '{targets.iloc[row][:40]}'). "
            "The reply is kept without this link; mend the id, or leave it empty for a reply to the sample.",
        )
        for row in np.flatnonzero(~answered & (targets != "").to_numpy())
    )
    return EdgeTable(edge_type=replies.edge_type, index=replies.index, rejections=rejections)


def _by_user(tables: Mapping[str, NodeTable]) -> EdgeTable:
    """Return one edge per user and sample that an interaction joins."""
    users, interactions, samples = tables["user"], tables["interaction"], tables["sample"]
    user, _ = joined(users, text_column(users, "user_id"), interactions, text_column(interactions, "user_id"))
    user = np.unique(user)
    place, sample = all_pairs(users.sample[user], samples.sample)
    return edge_table(BY_USER, user[place], sample)
