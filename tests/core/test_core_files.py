"""Files are listed with what tells them from any other, whole or in pieces; names lead to files in their folder or nowhere."""

import errno
import hashlib
import os

import pytest

from graphfuse.core.errors import ResourceError, UnsafeError
from graphfuse.core.files import PIECE, checksum_bytes, checksum_file, digest_file, file_entries, inside, write_bytes


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


@pytest.mark.parametrize("name", ["a.txt", "./a.txt", "deep//a.txt", "deep/../a.txt", "link.txt", "folder-link/a.txt", "deep/up/a.txt"])
def test_a_name_inside_its_folder_is_given_its_real_path_whatever_links_and_dots_it_goes_through(tmp_path, name):
    (tmp_path / "root" / "deep").mkdir(parents=True)
    (tmp_path / "root" / "a.txt").write_text("a")
    (tmp_path / "root" / "deep" / "a.txt").write_text("deep")
    (tmp_path / "root" / "link.txt").symlink_to(tmp_path / "root" / "a.txt")
    (tmp_path / "root" / "folder-link").symlink_to(tmp_path / "root" / "deep")
    (tmp_path / "root" / "deep" / "up").symlink_to("..")
    (tmp_path / "alias").symlink_to(tmp_path / "root")
    expected = (tmp_path / "root" / name).resolve()
    assert inside(tmp_path / "root", name) == inside(tmp_path / "alias", name) == expected


@pytest.mark.parametrize("name", ["../secret.txt", "deep/../../secret.txt", "out.txt", "out/secret.txt", "deep/out/secret.txt"])
def test_a_name_that_leads_out_of_its_folder_is_refused_by_dots_and_by_links_alike(tmp_path, name):
    (tmp_path / "root" / "deep").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "root" / "out.txt").symlink_to(tmp_path / "secret.txt")
    for place in (tmp_path / "root", tmp_path / "root" / "deep"):
        (place / "out").symlink_to(tmp_path)
    with pytest.raises(UnsafeError, match="may not leave"):
        inside(tmp_path / "root", name)


def test_a_link_that_leads_back_to_itself_is_refused(tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with pytest.raises(UnsafeError, match="may not go in circles"):
        inside(tmp_path, "loop.png")


@pytest.mark.parametrize("name", ["loop.png", "loop.png/a.png", "here/../loop.png"])
def test_it_is_refused_too_where_resolving_it_raises_nothing(name, tmp_path, monkeypatch):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    monkeypatch.setattr(type(tmp_path), "resolve", lambda path: path.__class__(os.path.realpath(path)))  # as Python 3.13 does
    with pytest.raises(UnsafeError, match="may not go in circles"):
        inside(tmp_path, name)


def test_a_full_disk_is_told_with_the_way_on_of_every_command(tmp_path, monkeypatch):
    def fail(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ResourceError, match=r"no space left.*repeat the command \(train: with --resume\)"):
        write_bytes(tmp_path / "checkpoint", b"all of it")


@pytest.mark.parametrize(("lasting", "waits"), [(True, 2), (False, 0)])
def test_only_what_must_last_waits_for_the_disk_and_both_leave_one_whole_file(lasting, waits, tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    write_bytes(tmp_path / "a" / "table", b"all of it", lasting=lasting)
    assert len(synced) == waits
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "a").iterdir()] == [("table", b"all of it")]
