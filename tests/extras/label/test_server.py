"""What the server answers, to whom, and what it never does."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

import httpx2
import pytest

from reward_synth.feedback.annotations import Kind, standing
from reward_synth.feedback.journal import Journal
from reward_synth.label.guard import Doors
from reward_synth.records import RewardProgram
from reward_synth.report.build import build_report
from reward_synth.search.store import Store
from tests.extras.label.serving import served
from tests.label.labelled_run import begin, film, generation, said

ID = "0123456789abcdef"


@pytest.fixture
def run(tmp_path):
    return begin(tmp_path / "run")


@pytest.fixture
def client(run):
    with served(run) as address, httpx2.Client(base_url=address) as client:
        client.headers["Origin"] = address
        yield client


def turn(client, who="Ada"):
    return client.get("/turn", params={"who": who}).json()["turn"]


def record(client, who="Ada", place=0, id=ID):
    """An answer to what is asked, as the page sends it."""
    asked = turn(client, who)["asked"]
    shown = [clip["clip"] for clip in asked["clips"]]
    answer = [shown[place]["candidate"]]
    return {
        "id": id,
        "who": who,
        "kind": asked["kind"],
        "shown": shown,
        "answer": answer,
        "text": "",
        "seconds": 1.25,
    }


def test_an_answer_is_kept_and_the_next_question_comes_back(client, run):
    given = record(client)
    reply = client.post("/say", json=given).json()
    assert reply["new"]
    assert reply["turn"] == turn(client)
    assert reply["turn"]["choices"] == 1
    assert reply["turn"]["last"]["words"] == "A is better"
    (kept,) = said(run)
    assert kept.to_json() == {
        **kept.to_json(),
        **{k: v for k, v in given.items() if k not in ("shown", "answer")},
    }
    assert [clip.candidate for clip in kept.shown] == [c["candidate"] for c in given["shown"]]


def test_what_is_posted_twice_is_heard_once(client, run):
    given = record(client)
    assert [client.post("/say", json=given).json()["new"] for _ in range(3)] == [True, False, False]
    assert len(said(run)) == 1


def test_answers_are_taken_while_another_process_holds_the_run(client, run):
    with Store.open(run):
        assert client.post("/say", json=record(client)).status_code == 200
    assert len(said(run)) == 1


def test_an_undo_brings_the_question_back(client, run):
    asked = turn(client)["asked"]
    client.post("/say", json=record(client))
    last = turn(client)["last"]
    assert last["asked"] == asked
    undo = {"id": f"{ID}-undo", "who": "Ada", "kind": "undo", "undoes": last["id"]}
    assert client.post("/say", json=undo).json()["turn"]["last"] is None
    assert [one.kind for one in said(run)] == [Kind.PAIR, Kind.UNDO]
    other = {**undo, "id": f"{ID}-other", "who": "Bob"}
    assert client.post("/say", json=other).status_code == 422


def test_the_next_clips_are_known_before_the_answer(client):
    ahead = client.get("/ahead", params={"who": "Ada"}).json()
    assert ahead["asked"] == turn(client)["asked"]
    reply = client.post("/say", json=record(client, place=1)).json()
    assert reply["turn"]["asked"] == ahead["then"]["1"]


@pytest.mark.parametrize(
    "change",
    [
        {"who": 5},
        {"who": ""},
        {"kind": "shout"},
        {"kind": None},
        {"shown": "g00c00"},
        {"shown": [{"candidate": "g00c00", "begin": "soon"}]},
        {"shown": []},
        {"answer": ["g09c09"]},
        {"answer": 1},
        {"text": {"a": 1}},
        {"text": "a" * 5000},
        {"seconds": "long"},
        {"id": "../../x"},
        {"prompt": "0" * 64},
        {"kind": "rating", "value": 0.5},
        {"kind": "undo", "shown": [], "answer": [], "undoes": "nothing"},
        {"kind": "segment", "answer": [], "value": 1.0},
    ],
)
def test_what_is_no_answer_is_refused_in_words(client, run, change):
    reply = client.post("/say", json={**record(client), **change})
    assert reply.status_code == 422
    assert len(reply.json()["error"].splitlines()) == 1
    assert said(run) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"\xff"])
def test_what_is_no_json_is_refused(client, run, content):
    reply = client.post("/say", content=content, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422)
    assert said(run) == []


# ---- who may come in


def test_every_answer_forbids_what_the_page_does_not_need(client):
    for path in ("/", "/turn?who=Ada", "/turn?who=", "/clip/g00c00", "/clip/none", "/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_pages_of_other_sites_cannot_write(client, run):
    given = record(client)
    for origin in ("http://evil.example", "null", "", "https://127.0.0.1", "http://127.0.0.1:1"):
        reply = client.post("/say", json=given, headers={"Origin": origin})
        assert reply.status_code == 403
    del client.headers["Origin"]
    assert client.post("/say", json=given).status_code == 403
    assert said(run) == []


def test_forms_of_other_sites_cannot_write(client, run):
    body = json.dumps(record(client))
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        reply = client.post("/say", content=body, headers={"Content-Type": kind})
        assert reply.status_code == 415
    assert said(run) == []


def test_other_names_for_this_machine_are_refused(client):
    for host in ("evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:80", ""):
        reply = client.get("/turn?who=Ada", headers={"Host": host})
        assert reply.status_code == 421
    port = urlsplit(str(client.base_url)).port
    assert client.get("/turn?who=Ada", headers={"Host": f"localhost:{port}"}).status_code == 200


def test_other_sites_may_link_to_the_page_and_not_take_its_parts(client):
    for site in ("cross-site", "same-site"):
        taken = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
        assert client.get("/clip/g00c00", headers=taken).status_code == 403
        linked = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
        assert client.get("/", headers=linked).status_code == 200


def test_large_and_endless_answers_are_refused(client, run):
    kind = {"Content-Type": "application/json"}
    assert client.post("/say", content=b" " * 70_000, headers=kind).status_code == 413
    chunks = iter([b"{", b"}"])
    assert client.post("/say", content=chunks, headers=kind).status_code == 411
    assert said(run) == []


def test_elsewhere_a_token_is_asked_for(run):
    doors = Doors(frozenset(), "the-token")
    with served(run, doors=doors) as address:
        with httpx2.Client(base_url=address) as stranger:
            for path in ("/", "/turn?who=Ada", "/clip/g00c00", "/static/label.js", "/?token=guess"):
                assert stranger.get(path).status_code == 403
            given = {"id": ID, "who": "Eve", "kind": "enough"}
            reply = stranger.post("/say", json=given, headers={"Origin": address})
            assert reply.status_code == 403
        assert said(run) == []
        with httpx2.Client(base_url=address) as guest:
            reply = guest.get("/", params={"token": "the-token"})
            assert reply.status_code == 200
            assert "HttpOnly" in reply.headers["set-cookie"]
            assert "SameSite=Strict" in reply.headers["set-cookie"]
            assert guest.get("/turn?who=Ada").status_code == 200  # the cookie is enough from now on
            reply = guest.post("/say", json=given, headers={"Origin": address})
            assert reply.status_code == 200


def test_only_this_machines_own_addresses_need_no_token():
    for host in ("127.0.0.1", "localhost", "::1"):
        assert Doors.to(host, 80).token == ""
        assert "localhost:80" in Doors.to(host, 80).hosts
    one, other = Doors.to("0.0.0.0", 80).token, Doors.to("192.0.2.1", 80).token
    assert len(one) > 20
    assert one != other
    with pytest.raises(ValueError, match="token"):
        Doors(frozenset())


# ---- what is served


@pytest.mark.parametrize(
    "path",
    [
        "/clip/../run.db",
        "/clip/..%2f..%2frun.db",
        "/clip/%2e%2e/run.db",
        "/clip/gen_00/cand_00/policy.npz",
        "/clip/g00c00/../../../run.db",
        "/clip/g00c00%00",
        "/static/../server.py",
        "/static/%2e%2e%2fserver.py",
        "/static/..%5cserver.py",
        "/static//etc/passwd",
        "//etc/passwd",
        "/run.db",
        "/gen_00/cand_00/rollout.mp4",
        "/candidate/..%2frun.db",
        "/openapi.json",
        "/docs",
    ],
)
def test_no_address_leads_to_another_file(client, path):
    at = urlsplit(str(client.base_url))
    with closing(http.client.HTTPConnection(at.hostname, at.port)) as raw:
        raw.request("GET", path)  # as it is: clients tidy paths up
        reply = raw.getresponse()
        assert reply.status == 404
        assert set(json.loads(reply.read())) <= {"error", "detail"}


def test_parts_of_a_video_are_served_so_that_it_can_be_scrubbed(client):
    whole = film(2)
    reply = client.get("/clip/g00c02")
    assert reply.content == whole
    assert reply.headers["content-type"] == "video/mp4"
    assert reply.headers["accept-ranges"] == "bytes"
    part = client.get("/clip/g00c02", headers={"Range": "bytes=100-299"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 100-299/{len(whole)}"
    assert part.content == whole[100:300]
    rest = client.get("/clip/g00c02", headers={"Range": f"bytes={len(whole) - 5}-"})
    assert rest.content == whole[-5:]
    beyond = client.get("/clip/g00c02", headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416


def test_a_video_is_kept_by_the_browser_while_it_is_the_same(client, run):
    address = turn(client)["asked"]["clips"][0]["video"]
    assert "immutable" in client.get(address).headers["cache-control"]
    place = run / "gen_00" / f"cand_{address[10:12]}" / "rollout.mp4"
    place.write_bytes(film(5, 2.0))
    assert client.get(address).headers["cache-control"] == "no-store"


def test_videos_that_cannot_be_shown_say_why(client, run):
    (run / "gen_00" / "cand_01" / "rollout.mp4").write_bytes(b"no video")
    reply = client.get("/clip/g00c01")
    assert reply.status_code == 404
    assert "no whole mp4" in reply.json()["error"]
    faults = {
        clip["clip"]["candidate"]: clip["fault"]
        for who in ("Ada", "Bob", "Cleo", "Dan")
        for clip in turn(client, who)["asked"]["clips"]
    }
    assert [id for id, fault in faults.items() if fault] == ["g00c01"]


def test_the_state_of_the_run_is_sent_when_it_has_changed(client, run):
    before = client.get("/run")
    assert "4 candidates in 1 generation of 3" in before.text
    assert "g00c03" in before.text
    tag = {"If-None-Match": before.headers["etag"]}
    assert client.get("/run", headers=tag).status_code == 304
    generation(run, 1, 2)
    after = client.get("/run", headers=tag)
    assert after.status_code == 200
    assert "6 candidates in 2 generations of 3" in after.text
    assert "style=" not in after.text  # the page forbids it


def test_who_has_said_what_is_told(client, run):
    for number in range(6):
        for who in ("Ada", "Bob"):
            given = record(client, who, id=f"{ID}{who}{number}")
            ahead = min(given["shown"], key=lambda clip: clip["candidate"])
            given["answer"] = [ahead["candidate"]]  # both like the same
            client.post("/say", json=given)
    text = client.get("/people", params={"who": "Ada"}).text
    assert "Ada, you" in text
    assert ">Bob<" in text
    assert "100% of 6" in text
    assert "alpha 1.00" in text
    assert len(standing(said(run))) == 12


def test_a_judge_is_compared_with_people(client, run):
    """Ada and Bob like the smaller id better; the model does in all of the pairs but one."""
    for number in range(6):
        for who in ("Ada", "Bob"):
            given = record(client, who, id=f"{ID}{who}{number}")
            ahead = min(given["shown"], key=lambda clip: clip["candidate"])
            client.post("/say", json={**given, "answer": [ahead["candidate"]]})
    ours = [one for one in said(run) if one.who == "Ada"]
    judged = [
        replace(
            one,
            who="gpt-judge",
            prompt="0" * 64,
            id="",
            answer=(min(one.candidates) if number else max(one.candidates),),
        )
        for number, one in enumerate(ours)
    ]
    with Journal.open(run) as journal:
        journal.append(judged)
    text = client.get("/people", params={"who": "Ada"}).text
    assert "gpt-judge judges as people do in 5 of 6 pairs that both judged: 83%" in text
    assert "95% interval [44%, 97%]" in text
    assert "People among themselves: 100% alike on 6 pairs" in text
    page = build_report(run).read_text()
    assert "gpt-judge judges as people do in 5 of 6 pairs" in page
    assert "Choices: 6 by Ada, 6 by Bob, 6 by gpt-judge." in page


def test_whoever_contradicts_themselves_is_kept_and_told(client, run):
    given = record(client)
    client.post("/say", json=given)
    other = [
        clip["candidate"] for clip in given["shown"] if clip["candidate"] != given["answer"][0]
    ]
    client.post("/say", json={**given, "id": f"{ID}-again", "answer": other})
    assert len(standing(said(run))) == 2
    text = client.get("/people", params={"who": "Ada"}).text
    assert "You said something else the second time in 1.00 of 1 repeated answer." in text
    text = client.get("/people", params={"who": "Bob"}).text
    assert "Ada said something else" in text


def test_the_tree_of_a_large_run_has_a_legend(tmp_path):
    run = begin(tmp_path / "large", 50)
    with served(run) as address:
        assert 'class="legend"' in httpx2.get(f"{address}/run").text


def test_how_much_is_left_to_ask_is_told(client, monkeypatch):
    monkeypatch.setattr("reward_synth.label.panel._MOMENT_S", 0.0)
    text = client.get("/people", params={"who": "Ada"}).text
    assert "more answers of yours" in text
    assert "would settle who is best" in text
    for number in range(6):
        given = record(client, id=f"{ID}{number}")
        ahead = min(given["shown"], key=lambda clip: clip["candidate"])
        client.post("/say", json={**given, "answer": [ahead["candidate"]]})
    assert "It is settled" in client.get("/people", params={"who": "Ada"}).text


def test_what_a_model_wrote_is_escaped(client, run):
    with Store.open(run) as store:
        (first, *_) = store.candidates()

        evil = RewardProgram("<script>alert(1)</script>", "", ())
        store.save_candidates([replace(first, program=evil, reflection="<img src=x>")])
    text = client.get(f"/candidate/{first.id}").text
    assert "&lt;script&gt;" in text.replace("</span>", "")
    assert "<script" not in text
    assert "<img" not in text
