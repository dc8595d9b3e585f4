"""The components are scikit-learn's, of standardised features."""

import numpy as np
import torch
from early_rows import fitted, standardised, train_rows
from sklearn.decomposition import PCA

from graphfuse.models.pca import PcaModel


def test_components_are_those_of_scikit_learn_on_standardised_features() -> None:
    rows = train_rows()
    (batch,) = rows()
    network = fitted(PcaModel(num_components=5, num_layers=0), rows)
    x = torch.cat(list(standardised(rows).values()), dim=1).numpy()
    expected = PCA(5, whiten=True).fit_transform(x)
    embedding = network(batch).embedding
    for column in range(5):
        found = np.corrcoef(embedding[:, column].numpy(), expected[:, column])[0, 1]
        assert abs(abs(found) - 1) < 1e-6
    torch.testing.assert_close(embedding[:, :5].std(0), torch.ones(5), rtol=1e-4, atol=0)
    assert (embedding[:, 5:] == 1).all(), "every modality is there"


def test_fewer_rows_than_features_give_as_many_components_as_rows_can() -> None:
    rows = train_rows(8)
    (batch,) = rows()
    network = fitted(PcaModel(num_layers=0), rows)
    components = network(batch).embedding[:, :-3]
    assert components.shape == (8, 15)
    assert components.isfinite().all()
    assert torch.linalg.matrix_rank(components, rtol=1e-3) == 7


def test_features_of_other_samples_use_the_train_rows_components() -> None:
    network = fitted(PcaModel(num_layers=0), train_rows())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    (batch,) = train_rows(seed=1)()
    network(batch)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_rows_that_are_all_alike_have_no_components() -> None:
    network = fitted(PcaModel(num_layers=0), train_rows(1))
    (batch,) = train_rows(5, seed=1)()
    assert (network(batch).embedding[:, :-3] == 0).all()
