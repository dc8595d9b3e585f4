"""Canonical variates correlate as other packages say, on rows that have both modalities."""

import numpy as np
import pytest
import torch
from cca_zoo.linear import CCA
from early_rows import DECISION, SCHEMA, fitted, standardised, train_rows

from graphfuse.core.errors import ConfigError
from graphfuse.models.cca import CcaModel
from graphfuse.nn.pooling import pooled_rows


def correlations(views: dict[str, torch.Tensor], rows: torch.Tensor | slice = slice(None)) -> np.ndarray:
    first, second = (view[rows].double().numpy() for view in views.values())
    return np.array([np.corrcoef(one, other)[0, 1] for one, other in zip(first.T, second.T, strict=True)])


def test_views_have_the_canonical_correlations_that_cca_zoo_finds() -> None:
    rows = train_rows()
    (batch,) = rows()
    views = fitted(CcaModel(num_components=3, shrinkage=0.0), rows)(batch).views
    x = standardised(rows)
    theirs = CCA(n_components=3).fit_transform([x["text_span"].numpy(), x["image_region"].numpy()])
    expected = [np.corrcoef(one, other)[0, 1] for one, other in zip(theirs[0].T, theirs[1].T, strict=True)]
    np.testing.assert_allclose(correlations(views), expected, atol=1e-6)
    assert list(views) == ["text_span", "image_region"]


def test_it_is_fitted_on_the_rows_that_have_both() -> None:
    rows = train_rows(absent=0.4)
    (batch,) = rows()
    pooled, _ = pooled_rows(rows, ("text_span", "image_region"))
    both = (pooled["text_span"].has * pooled["image_region"].has).squeeze(1) > 0
    views = fitted(CcaModel(num_components=3, shrinkage=0.0), rows)(batch).views
    theirs = CCA(n_components=3).fit_transform([pooled[name].mean[both].double().numpy() for name in pooled])
    expected = [np.corrcoef(one, other)[0, 1] for one, other in zip(theirs[0].T, theirs[1].T, strict=True)]
    np.testing.assert_allclose(correlations(views, both), expected, atol=1e-6)


def test_the_shared_variables_correlate_in_new_rows_too() -> None:
    network = fitted(CcaModel(), train_rows(400))
    (batch,) = train_rows(400, seed=1)()
    found = correlations(network(batch).views)
    assert (found[:2] > 0.9).all()
    assert (abs(found[2:]) < 0.3).all()


def test_types_can_be_named_and_the_others_stay_as_they_are() -> None:
    network = CcaModel(first="author", num_components=2, num_layers=0).module(SCHEMA, DECISION)
    assert list(network.maps) == ["author", "text_span"]
    assert network.out_channels == 2 + 2 + 5 + 3, "two variates each, five features of regions, three signs of presence"
    assert list(CcaModel(second="text_span").module(SCHEMA, DECISION).maps) == ["image_region", "text_span"]
    assert list(CcaModel(first="image_region", second="author").module(SCHEMA, DECISION).maps) == ["image_region", "author"]


def test_a_type_that_is_not_there_is_refused_and_the_nearest_offered() -> None:
    with pytest.raises(ConfigError, match=r"model\.first: 'text_spam' is no node type with features\. Did you mean 'text_span'\?"):
        CcaModel(first="text_spam").module(SCHEMA, DECISION)
    with pytest.raises(ConfigError, match="needs two node types"):
        CcaModel(first="author", second="author").module(SCHEMA, DECISION)
