"""A comparison as `graphfuse compare` writes it, made up."""

import random

MODELS = {
    "early": ("concat", "pca", "cca", "gcca", "deep_cca", "autoencoder", "feature_weighting", "unit_sequence"),
    "intermediate": (
        "tensor_fusion",
        "low_rank_fusion",
        "product",
        "gated_unit",
        "cross_attention",
        "multimodal_transformer",
        "multimodal_vae",
        "modality_mapping",
        "asymmetric",
        "hybrid",
        "two_tower",
    ),
    "late": (
        "vote",
        "average",
        "weighted_average",
        "stacking",
        "model_averaging",
        "expert_gate",
        "decision_autoencoder",
        "graphical_model",
    ),
    "kernel": ("kernel_learning",),
    "graph": (
        "relational_mean",
        "relational_attention",
        "hgt",
        "hetero_sage",
        "rgcn",
        "gatv2",
        "han",
        "graph_transformer",
        "gated_edges",
        "learned_structure",
    ),
}
LEVEL = {"early": 0.56, "intermediate": 0.74, "late": 0.54, "kernel": 0.6, "graph": 0.9}
SECTIONS = ("controls", "missing", "noise", "calibration", "groups", "tuning")


def estimate(values):
    """Return mean and interval as the training summarises them."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return {"mean": mean, "std": None, "low": None, "high": None, "values": values}
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    half = 1.24 * deviation
    return {"mean": mean, "std": deviation, "low": mean - half, "high": mean + half, "values": values}


def made_row(draw, name, stage, kind, level, seeds, baseline=0.55):
    """Return one row of the ladder."""
    test = [min(0.99, max(0.3, level + draw.gauss(0, 0.012))) for _ in seeds]
    mean = sum(test) / len(test)
    p = 0.0003 if abs(mean - baseline) > 0.04 else draw.uniform(0.02, 0.9)
    return {
        "name": name,
        "model": name,
        "stage": stage,
        "kind": kind,
        "settings": {},
        "seeds": list(seeds),
        "failures": [],
        "parameters": int(10 ** draw.uniform(3.5, 6.2)),
        "train_seconds": 10 ** draw.uniform(-0.5, 2.4),
        "predict_seconds_per_1000": 10 ** draw.uniform(-2, 0.8),
        "peak_memory_mb": draw.uniform(300, 1400),
        "validation": {name: estimate([value + draw.gauss(0.01, 0.01) for value in test]) for name in ("macro_f1", "accuracy")},
        "test": {
            "macro_f1": estimate(test),
            "accuracy": estimate([value + 0.01 for value in test]),
            "roc_auc": estimate([min(1.0, value + 0.05) for value in test]),
        },
        "against_baseline": {
            "difference": mean - baseline,
            "low": mean - baseline - 0.02,
            "high": mean - baseline + 0.02,
            "p": p / 8,
            "p_corrected": min(1.0, p),
            "effect_size": (mean - baseline) / 0.05,
        },
    }


def made_curves(draw, names, rates, modalities, wheres):
    """Return curves that fall."""
    curves = []
    for name in names:
        for modality in modalities:
            for where in wheres:
                start, loss = draw.uniform(0.6, 0.93), draw.uniform(0.02, 0.4)
                mean = [start - loss * rate / max(rates) for rate in rates]
                curves.append(
                    {
                        "name": name,
                        "modality": modality,
                        "where": where,
                        "rates": rates,
                        "mean": mean,
                        "low": [value - 0.02 for value in mean],
                        "high": [value + 0.02 for value in mean],
                        "area": sum(mean) / len(mean),
                    }
                )
    return curves


def made_comparison(seed=0, seeds=(0, 1, 2, 3, 4), models=MODELS, sections=SECTIONS):
    """Return a comparison of some 45 rows, with every section that is asked for."""
    draw = random.Random(seed)
    rows = [
        made_row(draw, "majority", "", "majority", 0.36, seeds),
        *(
            made_row(draw, f"{modality} only", "early", "unimodal", level, seeds)
            for modality, level in (("text", 0.55), ("image", 0.5), ("user", 0.52))
        ),
    ]
    rows[1]["against_baseline"] = None
    for stage, names in models.items():
        rows += [made_row(draw, name, stage, "model", LEVEL[stage] + draw.gauss(0, 0.04), seeds) for name in names]
    rows[5]["failures"] = [{"seed": 1, "error": "ConfigError: the loss must stay finite, and became nan in epoch 3 (got 0.01)."}]
    rows[-2] |= {"test": {}, "validation": {}, "against_baseline": None, "seeds": [], "parameters": None, "train_seconds": None}
    rows[-2] |= {"predict_seconds_per_1000": None, "peak_memory_mb": None}
    rows[-2]["failures"] = [{"seed": number, "error": "MemoryError: cannot allocate 64 GiB"} for number in seeds]
    rows[8]["settings"] = {"hidden_channels": 128, "dropout": 0.1}
    names = [row["name"] for row in rows if row["kind"] == "model"]
    made = {
        "controls": [
            {
                "model": model,
                "control": control,
                **({key: part} if key else {}),
                "difference": difference,
                "low": difference - 0.03,
                "high": difference + 0.03,
                "p": 0.0004 if abs(difference) > 0.03 else 0.4,
                "sentence": sentence.format(model),
            }
            for model in ("relational_attention", "hgt")
            for control, key, part, difference, sentence in (
                ("no_edges", "", "", -0.31, "Without any edge {} loses 0.310 of macro F1 (0.280 to 0.340): the edges help."),
                (
                    "shuffled_edges",
                    "",
                    "",
                    -0.28,
                    "With edges shuffled within their type {} loses 0.280: it matters which nodes they join.",
                ),
                ("full_edges", "", "", 0.004, "Fully connected, {} is as good within its interval: which edges there are does not matter."),
                ("without_modality", "modality", "image", -0.36, "Without image {} loses 0.360."),
                (
                    "without_edge_kind",
                    "edge_kind",
                    "text_span__resembles__image_region",
                    -0.22,
                    "Without the edges 'text span resembles image region' {} loses 0.220.",
                ),
            )
        ],
        "missing": {
            "curves": made_curves(
                draw, names[::4], [0.0, 0.25, 0.5, 0.75, 1.0], ("text", "image", "user"), ("test", "training", "training and test")
            )
        },
        "noise": {"curves": made_curves(draw, names[::9], [0.0, 0.5, 1.0, 2.0], ("text", "image"), ("test",))},
        "calibration": [
            {
                "name": name,
                "ece": draw.uniform(0.01, 0.2),
                "low": 0.01,
                "high": 0.2,
                "bins": [
                    {
                        "confidence": x / 10 + 0.05,
                        "accuracy": max(0.0, min(1.0, x / 10 + 0.05 - draw.uniform(-0.05, 0.2))),
                        "count": draw.randrange(0, 60),
                    }
                    for x in range(4, 10)
                ],
            }
            for name in names
        ],
        "groups": [
            {
                "name": name,
                "column": column,
                "group": group,
                "rows": rows,
                "mean": (mean := draw.uniform(0.4, 0.95)),
                "low": mean - 0.05,
                "high": mean + 0.05,
            }
            for column, groups in (
                ("event", (("flood in the north", 60), ("eclipse", 40), ("fire", 20))),
                ("language", (("en", 100), ("de", 20))),
            )
            for name in names[::3]
            for group, rows in groups
        ],
        "tuning": [
            {
                "name": name,
                "trials": 20,
                "best_settings": {"hidden_channels": 128, "train.learning_rate": 0.00312345678, "train.weight_decay": 0.01},
                "validation": (best := draw.uniform(0.6, 0.9)),
                "default": best - draw.uniform(0, 0.05),
                "failures": [],
            }
            for name in names[::2]
        ],
    }
    return {
        "metric": "macro_f1",
        "higher_is_better": True,
        "seeds": list(seeds),
        "baseline": "text only",
        "num_test": 1200,
        "unit": "samples",
        "resamples": 2000,
        "experiment": {"model": {"name": "relational_attention"}, "train": {"epochs": 60}},
        "notes": ["Intervals are over seeds; p values are by a paired permutation test, corrected by Holm's method."],
        "rows": rows,
        **{name: made[name] for name in sections},
    }
