"""Videos that can be shown, and those that cannot."""

from __future__ import annotations

import hashlib

import pytest

from reward_synth.label.desk import Desk
from reward_synth.label.exhibits import is_whole
from tests.label.labelled_run import begin, film


@pytest.fixture
def run(tmp_path):
    return begin(tmp_path / "run", 2)


def test_a_video_is_known_by_its_digest_which_follows_it(run):
    desk, path = Desk(run), run / "gen_00" / "cand_01" / "rollout.mp4"
    for content in (film(1), film(2, seconds=2.0)):
        path.write_bytes(content)
        exhibit = desk.exhibit("g00c01")
        assert exhibit.fault == ""
        assert exhibit.clip.digest == hashlib.sha256(content).hexdigest()


def test_there_is_no_exhibit_without_a_candidate(run):
    assert Desk(run).exhibit("g09c09") is None


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", film(0)[:-40], film(0)[:20], film(0)[32:]]
)
def test_what_is_no_whole_video_says_so(run, content):
    path = run / "gen_00" / "cand_01" / "rollout.mp4"
    path.write_bytes(content)
    assert "gen_00/cand_01/rollout.mp4 is no whole mp4" in Desk(run).exhibit("g00c01").fault
    assert "rollout.mp4" in Desk(run).turn("Ada").asked.fault


def test_a_missing_video_says_so(run):
    (run / "gen_00" / "cand_01" / "rollout.mp4").unlink()
    assert "gen_00/cand_01/rollout.mp4 is missing" in Desk(run).exhibit("g00c01").fault


def test_links_that_lead_out_of_the_run_are_not_followed(run, tmp_path):
    (tmp_path / "private.mp4").write_bytes(film(0))
    path = run / "gen_00" / "cand_01" / "rollout.mp4"
    path.unlink()
    path.symlink_to(tmp_path / "private.mp4")
    assert "outside the run folder" in Desk(run).exhibit("g00c01").fault


def test_lengths_of_boxes_may_be_long_or_left_out(tmp_path):
    path = tmp_path / "film.mp4"
    for length in (16, 99):  # of the second box, which the third follows up to the end
        boxes = (8).to_bytes(4) + b"ftyp" + (1).to_bytes(4) + b"moov" + length.to_bytes(8)
        path.write_bytes(boxes + (0).to_bytes(4) + b"mdat..")
        assert is_whole(path) == (length == 16)
