import pytest
from toy_fusion import NoGraph, SumOfProducts, batch_of, network_of, sample

from graphfuse.analyses.fidelity import Fidelity
from graphfuse.core.build import build
from graphfuse.core.errors import ConfigError


def one_edge_carries_all(count=20):
    """Ten edges a post; only the first has an effect (2 x 1 x 1 in log-odds, with its twin)."""
    return batch_of(*(sample(i, [1.0], [1.0] + [0.0] * 9, match=[(0, region) for region in range(10)]) for i in range(count)))


def value(frame, element, chosen_by, fraction):
    found = frame[(frame["element"] == element) & (frame["chosen_by"] == chosen_by) & (frame["fraction"] == fraction)]
    return found.iloc[0]


@pytest.mark.parametrize("scorer", ["attention", "occlusion", "gradient"])
def test_removing_the_edge_that_carries_all_takes_the_whole_prediction(scorer):
    frame = (
        Fidelity(scorer=scorer, measure="log_odds", fractions=(0.1,)).scores(network_of(SumOfProducts()), [one_edge_carries_all()]).frame
    )
    assert value(frame, "fidelity_plus", scorer, 0.1)["score"] == pytest.approx(2.0)
    assert value(frame, "fidelity_minus", scorer, 0.1)["score"] == pytest.approx(0.0)


def test_edges_beyond_those_that_are_removed_are_ranked_by_their_slope():
    crowd = batch_of(sample(0, [1.0], [3.0, 2.0, 1.0, -4.0], match=[(0, region) for region in range(4)]))
    one, every = (Fidelity(max_edges=most, measure="log_odds").scores(network_of(SumOfProducts()), [crowd]).frame for most in (1, 0))
    assert one.equals(every)  # the toy is linear: slopes are drops


def test_random_edges_do_worse_and_the_paired_interval_says_so():
    frame = Fidelity(measure="log_odds", fractions=(0.1, 0.3)).scores(network_of(SumOfProducts()), [one_edge_carries_all()]).frame
    random = value(frame, "fidelity_plus", "random", 0.3)
    assert random["score"] == pytest.approx(2 * 0.3, abs=0.3)
    assert value(frame, "fidelity_plus", "difference", 0.1)["low"] > 1
    assert value(frame, "fidelity_minus", "difference", 0.1)["high"] < -1


def test_random_edges_do_not_depend_on_the_size_of_batches():
    network = network_of(SumOfProducts())
    posts = [sample(i, [1.0], [1.0] + [0.0] * 9, match=[(0, region) for region in range(10)]) for i in range(6)]
    one = Fidelity().scores(network, [batch_of(*posts)]).frame
    two = Fidelity().scores(network, [batch_of(*posts[:2]), batch_of(*posts[2:])]).frame
    assert one["score"].tolist() == pytest.approx(two["score"].tolist())


def test_a_fraction_is_rounded_up_to_whole_edges():
    batch = batch_of(sample(0, [1.0, 1.0], [1.0], match=[(0, 0), (1, 0)]))
    frame = Fidelity(measure="log_odds", fractions=(0.01,)).scores(network_of(SumOfProducts()), [batch]).frame
    assert value(frame, "fidelity_plus", "occlusion", 0.01)["score"] == pytest.approx(2.0)


def test_posts_without_edges_are_left_out_and_attention_needs_a_network_that_has_it():
    batch = batch_of(sample(0, [1.0], []), sample(1, [1.0], [1.0], match=[(0, 0)]))
    frame = Fidelity(measure="log_odds", fractions=(0.5,)).scores(network_of(SumOfProducts()), [batch]).frame
    assert value(frame, "fidelity_plus", "occlusion", 0.5)["score"] == pytest.approx(2.0)
    assert len(Fidelity(scorer="attention").scores(network_of(NoGraph()), [batch]).frame) == 0


def test_fractions_outside_0_and_1_are_refused():
    with pytest.raises(ConfigError, match=r"analyses.2.*fractions must be one or more numbers between 0 and 1"):
        build("analyses", {"name": "fidelity", "fractions": [0, 2]}, "analyses.2")
