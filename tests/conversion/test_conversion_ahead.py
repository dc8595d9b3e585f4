"""What workers will import is found without importing it."""

import subprocess
import sys
from importlib.util import find_spec

from graphfuse.conversion.ahead import begin_workers, own_modules
from graphfuse.core.registry import class_constant, names
from graphfuse.core.strict_yaml import parse_yaml

EXPERIMENT = """
dataset: {name: table, path: posts.csv, sample_id: post_id, target: label}
modalities:
  - {name: text, encoder: {name: transformers_text, model: minilm}}
  - {name: "my_lab.modalities:Sound"}
  - {name: image}
edges:
  - {name: sequence}
task: {name: classification}
model: {name: relational_mean}
"""


def test_plug_ins_of_graphfuse_and_no_others_are_named_with_what_their_encoders_import_late():
    assert list(own_modules(parse_yaml(EXPERIMENT, "experiment.yaml"))) == [
        "graphfuse.modalities.text",
        "graphfuse.encoders.transformers_text",
        "graphfuse.encoders._loading",
        "graphfuse.modalities.image",
        "graphfuse.edges.sequence",
        "graphfuse.tasks.classification",
    ]


def test_nothing_heavy_is_imported_to_find_them(tmp_path):
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    code = (
        "import sys; from graphfuse.conversion.ahead import ForkServer, begin_workers; "
        "ForkServer.run = lambda server: None; begin_workers(sys.argv[1], 2, 'local'); "
        "print(sorted({'torch', 'numpy', 'pandas', 'transformers'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code, tmp_path / "experiment.yaml"], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_what_encoders_say_they_import_late_exists():
    late = {class_constant("encoders", name, "imports") for name in names("encoders")} - {""}
    assert late
    assert all(find_spec(module) for module in late)


def test_one_worker_and_a_file_that_cannot_be_read_start_nothing(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("graphfuse.core.processes.ForkServer.run", lambda server: started.append(server))
    begin_workers(tmp_path / "missing.yaml", 2, "local")
    (tmp_path / "torn.yaml").write_text("dataset: {name: [")
    begin_workers(tmp_path / "torn.yaml", 2, "local")
    assert not started
    (tmp_path / "whole.yaml").write_text(EXPERIMENT)
    begin_workers(tmp_path / "whole.yaml", 1, "local")
    assert not started
    begin_workers(tmp_path / "whole.yaml", 2, "local")
    assert len(started) == 1
