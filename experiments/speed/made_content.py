"""Made texts, a made encoder and made pictures: sizes are those of the real ones, what they say does not matter for time."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

WIDTH, HEIGHT = 1080, 810
"""Pixels of a picture, as a telephone's app uploads it."""
EXPERIMENT = """
dataset:
  name: table
  path: {folder}/posts.csv
  sample_id: post_id
  target: label
  pictures: {{columns: [picture], folder: pictures}}
  split: {{by: column, column: split}}
modalities:
  - {{name: text, unit: window, encoder: {{name: transformers_text, model: {folder}/encoder}}}}
  - {{name: image, grid: 4, encoder: {{name: torchvision_backbone}}}}
edges:
  - {{name: sequence}}
  - {{name: spatial}}
  - {{name: similarity, source: text_span, destination: image_region}}
  - {{name: membership}}
task: {{name: classification}}
model: {{name: relational_mean}}
convert: {{shard_size: {shard_size}}}
"""


def made_texts(count: int, seed: int = 0) -> list[str]:
    """Return texts as long as posts are: some 22 tokens in the mean, most of them fewer, the longest about 70."""
    draw = np.random.default_rng(1000)
    words = np.array(["".join(draw.choice(list("abcdefghijklmnopqrstuvwxyz"), draw.integers(2, 9))) for _ in range(3000)])
    share = 1 / np.arange(1, len(words) + 1)
    draw = np.random.default_rng(seed)
    lengths = np.clip(draw.lognormal(2.7, 0.65, count), 2, 62).astype(int)
    return [" ".join(draw.choice(words, length, p=share / share.sum())) + "." for length in lengths]


def made_encoder(folder: Path) -> Path:
    """Write a text encoder of the size of MiniLM (6 layers of 384 channels) with random weights, unless it is there."""
    if not (folder / "model.safetensors").exists():
        inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        inner.normalizer = normalizers.BertNormalizer()
        inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        inner.train_from_iterator(made_texts(2000, seed=1), trainers.WordPieceTrainer(vocab_size=8000, special_tokens=special))
        inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=512, **names).save_pretrained(folder)
        torch.manual_seed(0)
        sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
        BertModel(BertConfig(vocab_size=inner.get_vocab_size(), **sizes)).save_pretrained(folder)
    return folder


def made_pictures(folder: Path, count: int) -> list[Path]:
    """Write photographs' likes (soft colours, edges, grain; some 200 kB of JPEG), unless they are there."""
    paths = [folder / f"{number:04d}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            draw = np.random.default_rng(number)
            soft = Image.fromarray(draw.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
            edges = Image.fromarray(draw.integers(0, 60, (108, 144, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)
            grain = draw.normal(0, 5, (HEIGHT, WIDTH, 1))
            pixels = 0.8 * np.asarray(soft, dtype=np.float32) + np.asarray(edges) + grain
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, quality=88)
    return paths


def made_posts(folder: Path, count: int, shard_size: int) -> Path:
    """Write a table of posts (one text and one picture each, no two alike), an encoder and an experiment, and return its file."""
    names = [path.name for path in made_pictures(folder / "pictures", count)]
    made_encoder(folder / "encoder")
    frame = pd.DataFrame({"post_id": range(count), "text": made_texts(count), "picture": names})
    frame["label"], frame["split"] = np.arange(count) % 2, np.array(["train", "train", "train", "validation", "test"])[np.arange(count) % 5]
    frame.to_csv(folder / "posts.csv", index=False)
    file = folder / f"experiment-{shard_size}.yaml"
    file.write_text(EXPERIMENT.format(folder=folder, shard_size=shard_size))
    return file
