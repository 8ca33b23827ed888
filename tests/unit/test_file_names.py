"""Names of files: what a node may have, what the service takes, where a download may go."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.agent.shipping.outputs import readable
from dispatcher.client.errors import AzureMLException, UserErrorException
from dispatcher.client.v1.runs.files import path_below
from dispatcher.client.v1.runs.plots import check_image, name_of
from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.artifact_names import check_name

file_names = st.binary(min_size=1, max_size=60).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)


@given(st.lists(file_names, min_size=1, max_size=4))
def test_whatever_a_file_is_called_the_service_takes_its_name(parts: list[bytes]) -> None:
    name = "/".join(["outputs", *(readable(os.fsdecode(part)) for part in parts)])
    assert check_name(name) == name


@given(st.text(max_size=30))
def test_a_name_that_the_service_takes_stays_below_the_folder_it_is_downloaded_to(
    name: str,
) -> None:
    try:
        check_name(name)
    except InvalidSpec:
        return
    assert os.path.normpath(f"/folder/{name}") == f"/folder/{name}"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//b", ".", "", "C:x", "a/D:/b"])
def test_a_download_stays_below_its_folder_whatever_the_service_says(name: str) -> None:
    with pytest.raises(UserErrorException):
        path_below("folder", name)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("plots/a.png", "plots/a.png"),
        ("./a.png", "a.png"),
        ("/tmp/x/a.png", "a.png"),
        ("../a.png", "a.png"),
        ("a\\b.png", "a/b.png"),
        ("new\nline", "new_line"),
    ],
)
def test_an_image_is_called_as_its_path_where_that_stays_below(path: str, name: str) -> None:
    assert name_of(path) == name


@pytest.mark.parametrize(
    "start", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"RIFF....WEBP"]
)
def test_an_image_is_known_by_its_first_bytes(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(start)
    check_image(str(tmp_path / "image"))
    (tmp_path / "image").write_bytes(b"<svg>" + start)
    with pytest.raises(AzureMLException):
        check_image(str(tmp_path / "image"))
