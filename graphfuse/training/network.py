"""A fusion model and a task -> a network, untrained or with the weights of a run."""

from pathlib import Path

from graphfuse.core.errors import IntegrityError
from graphfuse.core.files import digest_file, read_json
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.sockets import FusionModel, Task
from graphfuse.nn.fusion import Decision, FusionNetwork
from graphfuse.training.checkpoint import read_tensors


def build_network(model: FusionModel, schema: GraphSchema, task: Task, target: TargetSchema) -> FusionNetwork:
    """Return an untrained network; its parameters are drawn from torch's global generator."""
    decision = Decision(target=target, num_logits=task.out_channels(target), criterion=task.criterion(target))
    body = model.module(schema, decision)
    return FusionNetwork(body, decision.num_logits, schema=schema, target=target, threshold=task.threshold)


def load_weights(folder: Path, network: FusionNetwork) -> None:
    """Put a seed's best weights into a network and set it to evaluation mode.

    Raises:
        IntegrityError: If the file is damaged, not the one that `model.json` names, or of another network.
    """
    path = folder / "model.safetensors"
    tensors, _ = read_tensors(path)
    if digest_file(path) != read_json(folder / "model.json").get("sha256"):
        raise IntegrityError(f"{path} must be the file that model.json beside it names. Train again, or restore both from a copy.")
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise IntegrityError(
            f"{path} must hold the weights of the run's model ({' '.join(str(error).split())[:120]}). Train again."
        ) from error
    network.eval()
