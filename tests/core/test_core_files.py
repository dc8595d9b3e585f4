"""Files are listed with what tells them from any other, whole or in pieces."""

import hashlib

from graphfuse.core.files import PIECE, checksum_bytes, checksum_file, digest_file, file_entries


def test_an_entry_holds_digest_checksum_and_size_of_a_file_of_several_pieces(tmp_path):
    content = bytes(range(256)) * (2 * PIECE // 256) + b"the rest"
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "0").write_bytes(content)

    assert file_entries(tmp_path, ["shards/0"]) == {
        "shards/0": {"sha256": hashlib.sha256(content).hexdigest(), "xxh3_128": checksum_bytes(content), "bytes": len(content)}
    }


def test_digest_and_checksum_of_a_file_are_those_of_its_bytes(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "long").write_bytes(b"a" * (PIECE + 1))

    assert checksum_file(tmp_path / "empty") == "99aa06d3014798d86001c324468d497f"  # XXH3-128 of nothing, by its specification
    assert checksum_file(tmp_path / "long") == checksum_bytes(b"a" * (PIECE + 1))
    assert digest_file(tmp_path / "long") == hashlib.sha256(b"a" * (PIECE + 1)).hexdigest()
