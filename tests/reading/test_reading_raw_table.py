"""Files of any format become the same frame, and a bad row costs one row."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphfuse.core.errors import InputError
from graphfuse.reading.raw_table import read_table, read_tables, table_of_rows


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


ROWS = [
    {"id": "001", "text": 'she said "hi", and left', "n": 1},
    {"id": "NA", "text": "zwei\nZeilen", "n": 2.5},
    {"id": "1e5", "text": "", "n": None},
]


def test_the_same_rows_give_the_same_frame_in_every_format(tmp_path):
    frame = pd.DataFrame(ROWS)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.tsv", index=False, sep="\t")
    (tmp_path / "c.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
    frame.to_parquet(tmp_path / "d.parquet")
    frames = [read_table(tmp_path / name).frame for name in ("c.jsonl", "d.parquet")]
    for other in frames:
        assert other.to_dict("list") == {
            "id": ["001", "NA", "1e5"],
            "text": ['she said "hi", and left', "zwei\nZeilen", ""],
            "n": ["1", "2.5", ""],
        }
    for name in ("a.csv", "b.tsv"):  # pandas wrote 1.0
        assert read_table(tmp_path / name).frame.drop(columns="n").equals(frames[0].drop(columns="n"))


def test_ids_stay_text_byte_for_byte(tmp_path):
    ids = ["001", "1", "1.0", "NA", "null", "None", "1e5", " x", "x ", "9007199254740993"]
    path = write(tmp_path, "a.csv", "id,t\n" + "".join(f"{name},t\n" for name in ids))
    assert read_table(path).frame["id"].tolist() == ids


def test_whole_numbers_beside_missing_ones_are_not_rounded(tmp_path):
    pq.write_table(pa.table({"id": pa.array([2**53 + 1, None, 2**53], pa.int64())}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").frame["id"].tolist() == ["9007199254740993", "", "9007199254740992"]


def test_lists_stay_lists(tmp_path):
    write(tmp_path, "a.jsonl", '{"p": ["a.png", "\\ud83d"], "b": [[0, 0, 1, 1]]}\n{"p": "c.png"}\n')
    frame = read_table(tmp_path / "a.jsonl").frame
    assert frame["p"].tolist() == [["a.png", "\ufffd"], "c.png"]
    assert frame["b"].tolist() == [[[0, 0, 1, 1]], ""]
    pq.write_table(pa.table({"p": [["a.png"], None], "b": [[[0, 0, 1, 1]], None]}), tmp_path / "b.parquet")
    frame = read_table(tmp_path / "b.parquet").frame
    assert frame["p"].tolist() == [["a.png"], ""]
    assert frame["b"].tolist() == [[[0, 0, 1, 1]], ""]
    # as pandas reads them: arrays of arrays
    assert table_of_rows(pd.read_parquet(tmp_path / "b.parquet")).frame.equals(frame)


def test_days_beyond_the_years_of_python_are_texts(tmp_path):
    days = pa.array([0, 4_000_000], type=pa.date32())
    pq.write_table(pa.table({"day": days}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").frame["day"].tolist() == ["1970-01-01", "12921-08-18"]


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffid;text\r\n1;café\r\n",
        "id,text\n1,café\n".encode("cp1252"),
        "id,text\n1,café\n".encode("utf-16"),
        "\n\nid|text\n\n1|café\n\n",
        " id , text \n1,café",
        "id\ttext\r1\tcafé",
        "\ufeffsep=;\r\nid;text\r\n1;café\r\n",
    ],
    ids=["mark, semicolon, CRLF", "cp1252", "utf-16", "blank lines, bar", "blanks in the header", "tab, old Mac", "separator for Excel"],
)
def test_csv_of_many_origins_is_read(tmp_path, content):
    frame = read_table(write(tmp_path, "a.csv", content)).frame
    assert frame.to_dict("records") == [{"id": "1", "text": "café"}]


@pytest.mark.parametrize("header", ['id,"a;b;c ""d;e""",t', '"a;b;c";id;t', 'a|5" b;6" c|d,e'])
def test_separators_within_quotes_do_not_cut_the_header(tmp_path, header):
    separator = {"i": ",", '"': ";", "a": "|"}[header[0]]
    assert len(read_table(write(tmp_path, "a.csv", f"{header}\n1{separator}2{separator}3\n")).frame) == 1


def test_a_line_that_names_the_separator_counts_as_a_line(tmp_path):
    raw = read_table(write(tmp_path, "a.csv", "sep=|\nid|text\n1|a,b\n2\n"))
    assert raw.frame.to_dict("records") == [{"id": "1", "text": "a,b"}]
    assert "a.csv, line 4: a row must have 2 fields" in raw.rejections[0].detail


def test_a_cell_that_is_too_long_is_called_that(tmp_path):
    raw = read_table(write(tmp_path, "a.csv", f"id,text\n1,{'x' * 10_000_001}\n2,b\n"))
    assert raw.frame["id"].tolist() == ["2"]
    assert "a cell may hold at most 10,000,000 characters" in raw.rejections[0].detail


def test_one_old_line_does_not_change_the_others(tmp_path):
    path = write(tmp_path, "a.csv", "id,text\n1,日本\n".encode() + "2,café\n".encode("cp1252"))
    assert read_table(path).frame["text"].tolist() == ["日本", "café"]


def test_tsv_with_quotes_as_characters_is_told_from_quoted_tsv(tmp_path):
    plain = write(tmp_path, "a.tsv", 'id\ttext\n1\t"yes" he said\n2\t"open\n3\tx "y"\n')
    assert read_table(plain).frame["text"].tolist() == ['"yes" he said', '"open', 'x "y"']
    quoted = write(tmp_path, "b.tsv", 'id\ttext\n1\t"a\tb"\n2\t"c ""d""\ne"\n')
    assert read_table(quoted).frame["text"].tolist() == ["a\tb", 'c "d"\ne']
    assert read_table(quoted, "tsv-unquoted").frame["text"].tolist() == ['"c ""d""']


def test_only_newlines_end_a_row(tmp_path):
    text = "a\u2028b\x85c\x0bd"
    assert read_table(write(tmp_path, "a.tsv", f"id\ttext\n1\t{text}\n")).frame["text"].tolist() == [text]


def test_a_row_with_the_wrong_number_of_fields_is_rejected_with_its_line(tmp_path):
    raw = read_table(write(tmp_path, "a.csv", 'id,text\n1,"two\nlines"\n2\n3,c,d\n\n4,e\n'))
    assert raw.frame["id"].tolist() == ["1", "4"]
    assert raw.frame.index.tolist() == [0, 3]
    assert raw.num_rows == 4
    assert [(r.row, r.reason, r.dropped) for r in raw.rejections] == [(1, "bad_row", True), (2, "bad_row", True)]
    assert raw.rejections[0].detail == "a.csv, line 4: a row must have 2 fields like the header (got 1). Repair the line to use it."


def test_a_quote_that_nobody_closes_costs_one_row(tmp_path):
    raw = read_table(write(tmp_path, "a.csv", 'id,text\n1,a\n2,"open\n3,b\n4,"fine, ""so"""\n5,c\n'))
    assert raw.frame["id"].tolist() == ["1", "3", "4", "5"]
    assert "quotes must enclose whole cells" in raw.rejections[0].detail
    raw = read_table(write(tmp_path, "b.csv", 'id,text\n1,"open\n2,b\n'))
    assert raw.frame["id"].tolist() == ["2"]


def test_quotes_that_never_match_end_with_a_message_instead_of_a_hang(tmp_path):
    path = write(tmp_path, "a.csv", "a,b\n" + '1,"x""\n' * 20_000 + "1,2\n" * 3)
    try:
        raw = read_table(path)
    except InputError as error:
        assert "set `format: tsv-unquoted`" in str(error)
    else:
        assert raw.num_rows == len(raw.frame) + len(raw.rejections)


def test_a_bad_line_of_json_is_one_rejected_row(tmp_path):
    lines = ['{"id": 1}', "{broken", "[1]", '{"id": 1, "id": 2}', "[" * 100_000, '{"id": ' + "9" * 5000 + "}", '{"id": 2}']
    raw = read_table(write(tmp_path, "a.jsonl", "\n".join(lines)))
    assert raw.frame["id"].tolist() == ["1", "2"]
    assert raw.frame.index.tolist() == [0, 6]
    details = " ".join(rejection.detail for rejection in raw.rejections)
    assert len(raw.rejections) == 5
    for words in ("line 2: a line must be one JSON object", "got list", "stands twice", "nested so deeply"):
        assert words in details


def test_json_numbers_that_are_none_are_missing_or_infinite(tmp_path):
    raw = read_table(write(tmp_path, "a.jsonl", '{"n": NaN}\n{"n": Infinity}\n{"n": 1e999}\n{"n": true}\n{"n": null}\n'))
    assert raw.frame["n"].tolist() == ["", "inf", "inf", "true", ""]


def test_a_lone_surrogate_is_cleaned_and_counted(tmp_path):
    raw = read_table(write(tmp_path, "a.jsonl", '{"t": "ok", "k\\ud83d": 1}\n{"t": "a\\ud83d"}\n'))
    assert raw.frame["t"].tolist() == ["ok", "a\ufffd"]
    assert raw.frame.columns.tolist() == ["t", "k\ufffd"]
    assert [(r.row, r.reason, r.column, r.dropped) for r in raw.rejections] == [(1, "broken_character", "t", False)]
    assert list(read_table(write(tmp_path, "b.jsonl", '{"a\\ud83d": 1}\n')).frame) == ["a\ufffd"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"id,t\n1,caf\xe9\n2,a\x81b\n3,\x8d\n"),
        ("a.tsv", b"id\tt\n1\tcaf\xe9\n2\ta\x81b\n3\t\x8d\n"),
        ("a.jsonl", b'{"id": 1, "t": "caf\xe9"}\n{"id": 2, "t": "a\x81b"}\n{"id": 3, "t": "\x8d"}\n'),
        ("b.csv", "id,t\n1,café\n2,a@b\n3,@\n".encode("utf-16").replace("@".encode("utf-16-le"), b"\x3d\xd8")),
    ],
)
def test_a_broken_byte_is_cleaned_and_counted_in_every_format(tmp_path, name, content):
    raw = read_table(write(tmp_path, name, content))
    assert raw.frame["t"].tolist() == ["café", "a\ufffdb", "\ufffd"]
    assert [(r.row, r.reason, r.column, r.dropped) for r in raw.rejections] == [(row, "broken_character", "t", False) for row in (1, 2)]


def test_a_replacement_character_that_the_file_holds_is_text(tmp_path):
    assert not read_table(write(tmp_path, "a.csv", "id,t\n1,a\ufffd\n")).rejections


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", "x", "known are .csv"),
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "\n \n", "a.csv is empty"),
        ("a.csv", "id,id \n1,2\n", "a.csv repeats 'id'"),
        ("a.csv", 'a,"b\n', "the header cannot be read"),
        ("a.csv", "a\rb\n1\n", "the header cannot be read"),
        ("a.parquet", "id,text\n", "must be a whole Parquet file"),
        ("a.csv", ",".join("x" * 10_001) + "\n", "at most 10,000 columns"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, name, content, words):
    with pytest.raises(InputError) as error:
        read_table(write(tmp_path, name, content))
    assert words in str(error.value)


def test_a_parquet_file_that_repeats_a_name_says_so(tmp_path):
    pq.write_table(pa.table([[1], [2]], names=["id", "id"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="Column names must be unique"):
        read_table(tmp_path / "a.parquet")


def test_a_nameless_column_is_called_by_its_position(tmp_path):
    assert list(read_table(write(tmp_path, "a.csv", ",text\n0,a\n")).frame) == ["column_1", "text"]


def test_a_header_without_rows_is_an_empty_table(tmp_path):
    frame = read_table(write(tmp_path, "a.csv", "id,text\n")).frame
    assert (list(frame), len(frame)) == (["id", "text"], 0)


def test_several_files_are_read_one_below_the_other(tmp_path):
    first = write(tmp_path, "a.csv", "id,old\n1,x\n2\n")
    second = write(tmp_path, "b.jsonl", '{"id": 3, "new": "y", "more": 1}\n')
    raw = read_tables([first, second], None, "samples", {"new": "old"})
    assert raw.frame.to_dict("list") == {"id": ["1", "3"], "new": ["x", "y"], "more": ["", "1"]}
    assert raw.frame.index.tolist() == [0, 2]
    assert (raw.place(0), raw.place(2)) == ("a.csv row 0", "b.jsonl row 0")


@settings(max_examples=60, deadline=None)
@given(content=st.text(alphabet='ab,;"\n\r\t', max_size=60))
def test_no_row_of_any_text_is_lost_in_silence(tmp_path_factory, content):
    path = write(tmp_path_factory.mktemp("any"), "a.csv", "x,y\n" + content)
    raw = read_table(path)
    assert raw.num_rows == len(raw.frame) + len(raw.rejections)
    assert sorted([*raw.frame.index, *(r.row for r in raw.rejections)]) == list(range(raw.num_rows))


@settings(max_examples=40, deadline=None)
@given(
    content=st.binary(max_size=80) | st.text(alphabet='ab,;"\n\r\t{}:\0\x1c', max_size=60),
    name=st.sampled_from(["a.csv", "a.tsv", "a.jsonl", "a.parquet"]),
)
def test_any_bytes_give_a_table_or_a_message(tmp_path_factory, content, name):
    path = write(tmp_path_factory.mktemp("any"), name, content.encode() if isinstance(content, str) else content)
    try:
        raw = read_table(path)
    except InputError:
        return
    assert raw.num_rows == len(raw.frame) + sum(r.dropped for r in raw.rejections)
