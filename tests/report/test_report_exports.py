import json
import xml.etree.ElementTree as ET

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from report_toys import REPLIES, made_store, made_tables

from graphfuse.core.errors import ConfigError, InputError, IntegrityError
from graphfuse.report.exports import FORMATS, export, read_pyg
from graphfuse.report.folder import begun, write_receipt
from graphfuse.report.tables import store_tables
from graphfuse.store.frames import write_frame
from graphfuse.store.graph_store import GraphStore

HOSTILE = "=1+1 <b>&\x00\x0b\x1f\ud800\ufffe"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("made"), posts=6)[0]


@pytest.fixture(scope="module")
def analysis(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("analysis")
    return write_analysis(folder, made_tables(store))


def write_analysis(folder, tables):
    inputs = {"analyses": {name: {"name": name} for name in tables}}
    with begun(folder, inputs):
        for name, table in tables.items():
            write_frame(folder / f"{name}.parquet", table.frame)
        (folder / "report.html").write_text("report")
        write_receipt(folder, inputs)
    return folder


def count(store, sample=None):
    graphs = [store.sample(i) for i in range(len(store))]
    return sum(graph[kind].edge_index.shape[1] for graph in graphs for kind in graph.edge_types)


@pytest.mark.parametrize("form", ["graphml", "gexf"])
def test_xml_formats_read_back_with_every_node_and_edge(store, tmp_path, form):
    figures = export(store.path, form, tmp_path / "graph.xml")
    graph = {"graphml": nx.read_graphml, "gexf": nx.read_gexf}[form](tmp_path / "graph.xml")
    assert graph.number_of_nodes() == figures["nodes"]
    assert graph.number_of_edges() == figures["edges"] == count(store)
    assert graph.nodes["post-1000/text_span/0"]["text"].startswith("The red circle")


def test_a_shared_user_is_one_node_and_has_no_name(store, tmp_path):
    export(store.path, "json", tmp_path / "graph.json")
    nodes = json.loads((tmp_path / "graph.json").read_text())["nodes"]
    users = [node for node in nodes if node["node_type"] == "user"]
    assert len(users) == 5
    assert "anna" not in (tmp_path / "graph.json").read_text()
    export(store.path, "json", tmp_path / "named.json", show_users=True)
    assert "anna.k3" in (tmp_path / "named.json").read_text()


def test_the_nodes_of_a_store_are_those_of_its_samples_read_in_blocks(store, monkeypatch):
    monkeypatch.setattr("graphfuse.report.tables.BLOCK", 4)
    positions = np.array([5, 0, 3, 1, 4, 2])
    alone = [store_tables(store, positions[place : place + 1], show_users=True) for place in range(len(positions))]
    monkeypatch.delattr(GraphStore, "units")  # one sample at a time takes milliseconds each, hours of a large store
    monkeypatch.delattr(GraphStore, "sample")
    whole = store_tables(store, positions, show_users=True)
    pd.testing.assert_frame_equal(whole.nodes, pd.concat([one.nodes for one in alone]).drop_duplicates("id", ignore_index=True))
    assert len(whole.edges) == sum(len(one.edges) for one in alone)
    users = [name for name in store_tables(store, positions).nodes["user_id"].dropna().unique() if name]
    assert users == [f"user-{number}" for number in range(1, len(users) + 1)]  # as a reader comes to them


def test_one_sample_is_exported_alone_and_an_unknown_one_refused(store, tmp_path):
    export(store.path, "networkx-json", tmp_path / "one.json", sample_id="post-1037")
    graph = nx.node_link_graph(json.loads((tmp_path / "one.json").read_text()), edges="edges")
    assert {data["sample_id"] for _, data in graph.nodes(data=True)} == {"post-1037", ""}
    with pytest.raises(InputError, match=r"A sample must be in the store \(got 'post-103'\). Did you mean 'post-1037'"):
        export(store.path, "json", tmp_path / "no.json", sample_id="post-103")


def test_pyg_gives_back_what_the_store_holds(store, tmp_path):
    export(store.path, "pyg", tmp_path / "pyg")
    data, batch = read_pyg(tmp_path / "pyg"), store.batch(range(len(store)))
    for node_type in batch.node_types:
        assert torch.equal(data[node_type].x, batch[node_type].x)
        assert torch.equal(data[node_type].ptr, batch[node_type].ptr)
    for edge_type in batch.edge_types:
        assert torch.equal(data[edge_type].edge_index, batch[edge_type].edge_index)
    assert torch.equal(data.y, batch.y)
    assert data.sample_id[1] == "post-1037"


def test_a_damaged_pyg_folder_is_refused(store, tmp_path):
    export(store.path, "pyg", tmp_path)
    (tmp_path / "graph.json").write_text('{"schema": 1}')
    with pytest.raises(IntegrityError, match="must be as export --format pyg writes it"):
        read_pyg(tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_store_gives_the_same_bytes(store, tmp_path, form):
    for name in ("a", "b"):
        export(store.path, form, tmp_path / name)
    first, second = (sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) or [tmp_path / name] for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_text_that_a_spreadsheet_would_run_is_guarded_and_numbers_are_not(tmp_path):
    texts = ["=1+1.", "+cmd.", "-2+3.", "@SUM(A1).", "＝1.", "plain, with 'quotes'."]
    store, _ = made_store(tmp_path / "made", posts=6, texts=texts)
    export(store.path, "csv", tmp_path / "csv")
    nodes = pd.read_csv(tmp_path / "csv" / "nodes.csv", dtype=str, keep_default_na=False)
    found = nodes.loc[nodes["node_type"] == "text_span", "text"].tolist()
    assert found == [f"'{text}" for text in texts[:5]] + texts[5:]
    assert nodes["x0"].replace("", "0").astype(float).max() == 0.75


@pytest.mark.parametrize("form", ["graphml", "gexf"])
def test_no_character_that_xml_forbids_reaches_a_file(tmp_path, form):
    controls = "".join(map(chr, [*range(1, 32), 127, 0x202E, 0xFFFE, 0xFFFF]))
    store, _ = made_store(tmp_path / "made", posts=2, texts=[f"<!ENTITY x>&amp; {controls} ]]> end"])
    export(store.path, form, tmp_path / "graph.xml")
    tree = ET.parse(tmp_path / "graph.xml")
    assert any("end" in (element.text or element.get("label") or element.get("value") or "") for element in tree.iter())


def test_an_analysis_becomes_a_graph_with_scores_on_its_edges(store, analysis, tmp_path):
    export(analysis, "graphml", tmp_path / "scores.graphml", sample_id="post-1037")
    graph = nx.read_graphml(tmp_path / "scores.graphml")
    assert all(isinstance(data["score_occlusion"], float) for _, _, data in graph.edges(data=True))
    scores = made_tables(store)["occlusion"].frame
    assert graph.number_of_edges() == ((scores["sample_id"] == "post-1037") & (scores["level"] == "edge")).sum()


def test_the_scores_of_an_analysis_are_exported_as_they_are(store, analysis, tmp_path):
    figures = export(analysis, "csv", tmp_path / "scores.csv")
    assert len(pd.read_csv(tmp_path / "scores.csv")) == figures["rows"]
    export(analysis, "json", tmp_path / "one.json", sample_id="post-1037")
    rows = json.loads((tmp_path / "one.json").read_text())["scores"]
    assert {row["sample_id"] for row in rows} == {"post-1037"}
    assert "__".join(REPLIES) not in {row["element"] for row in rows if row["source"] < 0}


def test_scores_of_another_run_are_never_among_those_of_an_analysis(store, tmp_path):
    tables = made_tables(store)
    folder = write_analysis(tmp_path / "analysis", tables)
    write_analysis(folder, {"attention": tables["attention"]})
    write_frame(folder / "copied.parquet", tables["occlusion"].frame)
    assert export(folder, "json", tmp_path / "scores.json")["rows"] == len(tables["attention"].frame)
    write_frame(folder / "attention.parquet", tables["occlusion"].frame)
    with pytest.raises(IntegrityError, match=r"attention\.parquet has changed since analyse wrote it. Repeat"):
        export(folder, "json", tmp_path / "scores.json")


def test_wrong_requests_say_the_way_out(store, analysis, tmp_path):
    with pytest.raises(ConfigError, match=r"'grafml' is not a format. Did you mean 'graphml'"):
        export(store.path, "grafml", tmp_path / "x")
    with pytest.raises(ConfigError, match="an analysis has none of"):
        export(analysis, "pyg", tmp_path / "x")
    with pytest.raises(InputError, match="must be a store, or a folder that analyse wrote"):
        export(tmp_path, "json", tmp_path / "x")
    with pytest.raises(InputError, match="got nothing"):
        export(tmp_path / "nowhere", "json", tmp_path / "x")
    with pytest.raises(InputError, match=r"must be among the scored \(got 'post-9'\)"):
        export(analysis, "json", tmp_path / "x", sample_id="post-9")


@pytest.mark.parametrize("form", ["json", "graphml", "csv", "pyg"])
def test_a_file_is_not_written_onto_a_folder_nor_a_folder_onto_a_file(store, analysis, tmp_path, form):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    wrong, kind = ("file", "a folder") if form in ("csv", "pyg") else ("folder", "a file")
    with pytest.raises(InputError, match=f"--out must be {kind} .*{wrong}"):
        export(store.path, form, tmp_path / wrong)
    if form != "pyg":
        with pytest.raises(InputError, match="--out must be a file to write"):
            export(analysis, form, tmp_path / "folder")
    assert (tmp_path / "file").read_text() == "mine"
