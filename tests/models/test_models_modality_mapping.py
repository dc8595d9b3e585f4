"""Translations between modalities, and filling in with them."""

import torch
from unit_batches import DECISION, batch_of, schema

from graphfuse.models.modality_mapping import ModalityMappingFusion, ModalityMappingModel

NAMES = ("word", "region", "author")
SIZES = ((2, 3, 1), (1, 0, 1), (0, 0, 0), (0, 2, 0))
STILL = ModalityMappingModel(hidden_channels=8, dropout=0, input_dropout=0)


def network(model: ModalityMappingModel = STILL, names: tuple[str, ...] = NAMES) -> ModalityMappingFusion:
    torch.manual_seed(0)
    return model.module(schema(*names), DECISION)


def fused(fusion: ModalityMappingFusion) -> torch.Tensor:
    """Return what goes into the last perceptron: three vectors that are there or filled in, then what was told of the three."""
    seen: list[torch.Tensor] = []
    handle = fusion.perceptron.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    fusion(batch_of(NAMES, SIZES))
    handle.remove()
    return seen[0].view(len(SIZES), 6, -1)


def test_what_is_absent_is_the_mean_translation_of_what_is_there() -> None:
    fusion = network().eval()
    vectors, _ = fusion.inputs(batch_of(NAMES, SIZES))
    translated = [fusion.decode["region"](fusion.encode[name](vectors[name][1])) for name in ("word", "author")]
    torch.testing.assert_close(fused(fusion)[1, 1], (translated[0] + translated[1]) / 2)


def test_what_is_there_is_kept_beside_what_the_others_make_of_it() -> None:
    fusion = network().eval()
    vectors, _ = fusion.inputs(batch_of(NAMES, SIZES))
    torch.testing.assert_close(fused(fusion)[0, 1], vectors["region"][0])
    torch.testing.assert_close(
        fused(fusion)[0, 4], sum(fusion.decode["region"](fusion.encode[name](vectors[name][0])) for name in ("word", "author")) / 2
    )


def test_where_no_other_is_there_the_token_is_told() -> None:
    fusion = network().eval()
    with torch.no_grad():
        for token in fusion.inputs.absent.values():
            token.normal_()
    found = fused(fusion)
    for number, name in enumerate(NAMES):
        torch.testing.assert_close(found[2, number], fusion.inputs.absent[name])
    torch.testing.assert_close(found[3, 4], fusion.inputs.absent["region"])


def test_the_penalties_are_the_errors_of_translations_there_and_back() -> None:
    names = ("word", "region")
    fusion = network(names=names).train()
    whole = batch_of(names, ((2, 3), (1, 0), (0, 0), (2, 2)))
    vectors, _ = fusion.inputs(whole)
    both, there, back = [0, 3], [], []
    for source, target, has_source in (("word", "region", [0, 1, 3]), ("region", "word", both)):
        code = fusion.encode[source](vectors[source])
        translated = fusion.decode[target](code)
        returned = fusion.decode[source](fusion.encode[target](translated))
        there.append((translated - vectors[target])[both].square().mean())
        back.append((returned - vectors[source])[has_source].square().mean())
    penalties = fusion(whole).penalties
    torch.testing.assert_close(penalties["translation"], 0.3 * sum(there) / 2)
    torch.testing.assert_close(penalties["cycle"], 0.1 * sum(back) / 2)


def test_a_single_modality_has_nothing_to_be_translated_into() -> None:
    output = network(names=("word",)).train()(batch_of(("word",), ((2,), (0,))))
    assert output.penalties == {}
    assert output.embedding.isfinite().all()


def test_it_learns_to_fill_in_what_can_be_known() -> None:
    names = ("word", "region")
    fusion = network(ModalityMappingModel(dropout=0, input_dropout=0), names).train()
    whole = batch_of(names, [(1, 1)] * 64)
    whole["region"].x = whole["word"].x[:, :3].clone()
    optimizer = torch.optim.Adam(fusion.parameters(), lr=0.01)
    errors = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = fusion(whole).penalties["translation"]
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert errors[-1] < 0.25 * errors[0]
