"""Writes: edits that do not overwrite each other, and POSTs that do nothing twice."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from gridwright.api.cursor import to_cursor
from gridwright.api.idempotency import InFlight
from gridwright.api.problems import RequestRefused
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.errors import StoreError
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.identity import User
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_REGISTER, VOLTAGE
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.meters import claim_list
from gridwright.jobs.meters.claim_meter import claim_in_portions
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.store import Store
from tests.integration.api.small_town import NOW, START, Town

POINT = "/v1/usage-points/UP-1"


def put(town: Town, path: str, json: dict[str, Any], **headers: str) -> Any:  # noqa: ANN401 - an httpx answer
    """Return the answer to a PUT with headers written with underscores."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return town.ask("PUT", path, json=json, headers=names)


def test_an_edit_goes_through_once(town: Town) -> None:
    tag = town.get(POINT).headers["etag"]
    first = put(town, POINT, {"zone": "Europe/Berlin", "capacity_kw": 20}, If_Match=tag)
    second = put(town, POINT, {"zone": "Europe/Berlin", "capacity_kw": 40}, If_Match=tag)
    assert (first.status_code, second.status_code) == (HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED)
    shown = town.get(POINT)
    assert shown.json()["capacity_kw"] == 20
    assert shown.headers["etag"] == first.headers["etag"] != tag
    assert put(town, POINT, {}, If_Match=f'"x", {first.headers["etag"]}').status_code == HTTPStatus.OK


def test_what_a_change_leaves_out_stays_as_it_is(town: Town) -> None:
    new = "/v1/usage-points/UP-9"
    assert put(town, new, {}, If_None_Match="*").json()["zone"] == town.platform.settings.site.zone
    far = {"zone": "Australia/Brisbane", "customer_class": "commercial", "capacity_kw": 30.0, "holidays": "AU-QLD"}
    far |= {"exports": True, "attributes": {"vacant": "no"}}
    assert put(town, new, far, If_Match="*").status_code == HTTPStatus.OK
    changes: list[dict[str, Any]] = [
        {},
        {"zone": None},
        {"capacity_kw": 40.0},
        {"attributes": {}},
        {"capacity_kw": None},
    ]
    for said in changes:
        far |= {name: value for name, value in said.items() if name != "zone"}
        changed = put(town, new, said, If_Match="*")
        assert changed.json() == {"id": "UP-9"} | far, said
        assert town.get(new).json() == changed.json()


def test_an_edit_says_what_it_is_made_from(town: Town) -> None:
    answer = put(town, POINT, {})
    assert answer.status_code == HTTPStatus.PRECONDITION_REQUIRED
    assert "If-Match" in answer.json()["remedy"]


def test_a_new_one_is_put_only_where_there_is_none(town: Town) -> None:
    new = "/v1/usage-points/UP-9"
    assert put(town, new, {}, If_Match="*").status_code == HTTPStatus.PRECONDITION_FAILED
    assert put(town, new, {}, If_None_Match="*").status_code == HTTPStatus.CREATED
    assert put(town, new, {}, If_None_Match="*").status_code == HTTPStatus.PRECONDITION_FAILED
    assert put(town, new, {"zone": "UTC"}, If_Match="*").status_code == HTTPStatus.OK


def test_the_same_request_again_is_answered_alike_and_done_once(town: Town) -> None:
    key = {"Idempotency-Key": "run-1"}
    first = town.post("/v1/bills", {"period": "2026-10"}, headers=key)
    again = town.post("/v1/bills", {"period": "2026-10"}, headers=key)
    assert first.status_code == again.status_code == HTTPStatus.ACCEPTED
    assert first.content == again.content
    assert first.headers["location"] == again.headers["location"] == first.json()["href"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(town.get("/v1/jobs?kind=bill-run").json()["items"]) == 1
    assert town.get(first.headers["location"]).json()["state"] == "queued"


@pytest.mark.parametrize(("path", "body"), [("/v1/bills", {"period": "2026-09"}), ("/v1/plans", {"period": "2026-10"})])
def test_a_key_belongs_to_one_request(town: Town, path: str, body: dict[str, str]) -> None:
    key = {"Idempotency-Key": "run-1"}
    town.post("/v1/bills", {"period": "2026-10"}, headers=key)
    answer = town.post(path, body, headers=key)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_everybody_has_keys_of_their_own(town: Town) -> None:
    key = {"Idempotency-Key": "mine"}
    one = town.post("/v1/bills", {"period": "2026-10"}, headers=key)
    other = town.post("/v1/bills", {"period": "2026-10"}, "biller", headers=key)
    assert one.json()["id"] != other.json()["id"]


def test_what_failed_is_tried_again(town: Town) -> None:
    key = {"Idempotency-Key": "claim"}
    body = {"usage_point": "UP-7"}
    assert town.post("/v1/quarantine/M-9/claim", body, headers=key).status_code == HTTPStatus.NOT_FOUND
    town.platform.store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-7")])
    assert town.post("/v1/quarantine/M-9/claim", body, headers=key).status_code == HTTPStatus.CREATED
    assert town.post("/v1/quarantine/M-9/claim", body, headers=key).status_code == HTTPStatus.CREATED
    assert town.post("/v1/quarantine/M-9/claim", body).status_code == HTTPStatus.NOT_FOUND


def test_a_list_of_claims_has_a_verdict_on_each_and_is_done_once(town: Town) -> None:
    store, key = town.platform.store, {"Idempotency-Key": "rollout"}
    store.quarantine.save(LOCAL_OWNER, [QuarantinedReading("M-77", NOW - timedelta(days=2), 1.0, 900)], received=NOW)
    event = EndDeviceEvent("M-78", "3.26.0.47", NOW - timedelta(days=2), NOW)
    store.devices.save_events(LOCAL_OWNER, [event])
    claims = [
        {"meter": "M-77", "usage_point": "UP-77"},
        {"meter": "M-9"},
        7,
        {"meter": "M-9", "usage_point": "UP-2", "multiplier": "0"},
        {"meter": "M-9", "usage_point": "UP-2", "since": "never"},
        {"meter": "NOBODY", "usage_point": "UP-2"},
        {"meter": "M-78", "usage_point": "UP-78"},
    ]
    asked = {"claims": claims, "add_points": True}
    seen = town.post("/v1/quarantine/claims", {**asked, "dry_run": True}).json()
    assert (seen["claimed"], store.quarantine.waiting(LOCAL_OWNER, "M-77")) == (2, 1)
    refused = town.post("/v1/quarantine/claims", {"claims": claims[:1]}).json()["verdicts"][0]
    assert (refused["outcome"], "'UP-77' is not registered" in refused["reason"]) == ("refused", True)
    done = town.post("/v1/quarantine/claims", asked, headers=key)
    told = done.json()
    counts = [told[name] for name in ("claimed", "refused", "nothing_waits", "readings", "points_added")]
    assert (done.status_code, counts) == (200, [2, 4, 1, 1, 2])
    assert [(each["line"], each["outcome"]) for each in told["verdicts"]] == [
        (1, "claimed"), (2, "refused"), (3, "refused"), (4, "refused"), (5, "refused"), (6, "nothing waits"),
        (7, "claimed"),
    ]  # fmt: skip
    reasons = [each["reason"] for each in told["verdicts"]]
    assert [each.split(":")[0] for each in reasons[1:5]] == ["usage_point", "claim", "multiplier", "since"]
    assert "never" in reasons[4]
    assert all(each["remedy"] for each in told["verdicts"] if each["outcome"] == "refused")
    again = town.post("/v1/quarantine/claims", asked, headers=key)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (told, "true")
    anew = town.post("/v1/quarantine/claims", asked).json()
    assert (anew["claimed"], anew["readings"], anew["nothing_waits"]) == (0, 0, 3)
    assert town.post("/v1/quarantine/claims", {"claims": []}).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_list_of_claims_that_is_cut_short_goes_on(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    store, key = town.platform.store, {"Idempotency-Key": "cut"}
    meters = ["M-81", "M-82"]
    for meter in meters:
        store.quarantine.save(LOCAL_OWNER, [QuarantinedReading(meter, NOW - timedelta(days=2), 1.0, 900)], received=NOW)
    asked = {"claims": [{"meter": each, "usage_point": f"UP-{each}"} for each in meters], "add_points": True}
    claimed = claim_in_portions

    def failing(store: Store, access: Access, claim: MeterClaim, *, now: datetime) -> object:
        if claim.meter == "M-82":
            raise StoreError("the database is away")
        return claimed(store, access, claim, now=now)

    with monkeypatch.context() as patched:
        patched.setattr(claim_list, "claim_in_portions", failing)
        assert town.post("/v1/quarantine/claims", asked, headers=key).status_code >= 500
    assert [store.quarantine.waiting(LOCAL_OWNER, each) for each in meters] == [0, 1], "each is durable by itself"
    told = town.post("/v1/quarantine/claims", asked, headers=key).json()
    assert [each["outcome"] for each in told["verdicts"]] == ["nothing waits", "claimed"]


def test_two_at_once_do_it_once(town: Town) -> None:
    statuses: list[int] = []

    def send() -> None:
        answer = town.post("/v1/usage-points", {"id": "UP-8"}, headers={"Idempotency-Key": "both"})
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {HTTPStatus.CREATED, HTTPStatus.CONFLICT}
    assert HTTPStatus.CREATED in statuses
    assert town.post("/v1/usage-points", {"id": "UP-8"}, headers={"Idempotency-Key": "both"}).status_code == 201


def test_a_key_in_flight_is_a_conflict() -> None:
    flying = InFlight()
    mine = ("ann", "k")
    with flying.only(mine), flying.only(("bob", "k")), pytest.raises(RequestRefused) as refused, flying.only(mine):
        pass
    assert refused.value.status_code == HTTPStatus.CONFLICT
    with flying.only(mine):
        pass


def test_a_token_is_never_kept(town: Town) -> None:
    key = {"Idempotency-Key": "secret"}
    one, other = (town.post("/v1/keys", {"user": "viewer"}, headers=key).json() for _ in range(2))
    assert one["token"] != other["token"]
    assert town.get("/v1/usage-points", "").status_code == HTTPStatus.UNAUTHORIZED
    bearer = {"Authorization": f"Bearer {one['token']}"}
    assert town.get("/v1/usage-points", "", headers=bearer).status_code == HTTPStatus.OK
    assert town.ask("DELETE", f"/v1/keys/{one['id']}").status_code == HTTPStatus.NO_CONTENT
    assert town.get("/v1/usage-points", "", headers=bearer).status_code == HTTPStatus.UNAUTHORIZED


def test_a_disabled_user_is_shut_out_at_once(town: Town) -> None:
    assert town.get("/v1/usage-points", "viewer").status_code == HTTPStatus.OK
    changed = town.ask("PATCH", "/v1/users/viewer", json={"disabled": True})
    assert changed.json() == {"name": "viewer", "role": "viewer", "points": None, "disabled": True}
    assert town.get("/v1/usage-points", "viewer").status_code == HTTPStatus.UNAUTHORIZED


def test_a_claim_moves_the_readings_in(town: Town) -> None:
    done = town.post("/v1/quarantine/M-9/claim", {"usage_point": "UP-2", "multiplier": "20"}).json()
    assert (done["intervals"], done["registers"], done["notes"]) == (12, 0, [])
    query = {"from": "2026-11-25T03:00:00Z", "to": "2026-11-25T06:00:00Z"}
    block = town.get("/v1/usage-points/UP-2/interval-blocks", params=query).json()
    assert block["values"] == [pytest.approx((100 + at) * 20 / 1000) for at in range(12)]
    meters = [each["end_device"] for each in town.get("/v1/usage-points/UP-2/installations").json()["items"]]
    assert meters == ["M-2", "M-9"]
    assert town.get("/v1/quarantine").json()["items"] == []


def test_readings_that_wait_are_looked_at_page_by_page(town: Town) -> None:
    store = town.platform.store
    twice = [replace(each, value=each.value + 1) for each in store.quarantine.readings(LOCAL_OWNER, "M-9")[:2]]
    store.quarantine.save(LOCAL_OWNER, twice, received=NOW)
    expected = store.quarantine.readings(LOCAL_OWNER, "M-9")
    found = list[dict[str, Any]]()
    for limit in (1, 3, 5, 14, 100):
        cursor: str | None = ""
        found.clear()
        while cursor is not None:
            page = town.get("/v1/quarantine/M-9/readings", params={"limit": limit, "cursor": cursor}).json()
            found += page["items"]
            cursor = page["next"] or None
        assert [(datetime.fromisoformat(each["at"]), each["value"]) for each in found] == [
            (each.at, each.value / 1000) for each in expected
        ]
    assert {(each["interval_s"], each["unit"]) for each in found} == {(900, "kWh")}
    assert town.get("/v1/quarantine/M-99/readings").status_code == HTTPStatus.NOT_FOUND
    for place in ((10**17, 0), (0, 10**17)):
        query = {"cursor": to_cursor("quarantine-readings", place)}
        assert town.get("/v1/quarantine/M-9/readings", params=query).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_readings_that_wait_are_told_as_they_were_written(town: Town) -> None:
    some = town.platform.store.quarantine.readings(LOCAL_OWNER, "M-9")[0]
    town.platform.store.quarantine.save(
        LOCAL_OWNER, [replace(some, meter="M-8", value=2301.0, reading_type=VOLTAGE)], received=NOW
    )
    (shown,) = town.get("/v1/quarantine/M-8/readings").json()["items"]
    assert (shown["value"], shown["unit"]) == (230.1, "V")


def test_readings_that_wait_are_let_go_with_a_reason_and_do_not_come_back(town: Town) -> None:
    store, address = town.platform.store, "/v1/quarantine/M-9/drop"
    waited, audit = store.quarantine.readings(LOCAL_OWNER, "M-9"), store.audit.records(LOCAL_OWNER)
    for body in ({}, {"reason": " "}):
        assert town.post(address, body).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    key = {"Idempotency-Key": "drop"}
    for _ in range(2):
        done = town.post(address, {"reason": "a test bench"}, headers=key)
        assert (done.status_code, done.json()["dropped"]) == (HTTPStatus.OK, 12)
    assert town.post(address, {"reason": "a test bench"}).status_code == HTTPStatus.NOT_FOUND
    assert store.quarantine.save(LOCAL_OWNER, waited, received=NOW) == 0
    noted = [each for each in store.audit.records(LOCAL_OWNER) if each not in audit]
    assert [each.detail["reason"] for each in noted if "dropped" in each.detail] == ["a test bench"]


def test_a_claim_of_a_meter_that_hangs_elsewhere_leaves_everything(town: Town) -> None:
    town.post("/v1/usage-points/UP-1/meter-exchange", {"serial": "M-9", "at": "2026-11-24T00:00:00Z"})
    answer = town.post("/v1/quarantine/M-9/claim", {"usage_point": "UP-2"})
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "UP-1" in answer.json()["detail"]
    assert town.get("/v1/quarantine").json()["items"][0]["readings"] == 12


def test_an_exchange_closes_both_registers(town: Town) -> None:
    order = {
        "serial": "M-7",
        "at": "2026-11-20T09:00:00Z",
        "final_kwh": "123.456",
        "opening_kwh": "0.5",
        "multiplier": 2,
    }
    answer = town.post(f"{POINT}/meter-exchange", order)
    assert answer.status_code == HTTPStatus.CREATED, answer.text
    assert town.get(answer.headers["location"]).json()["items"] == answer.json()["installations"]
    reads = town.platform.store.registers.load(LOCAL_OWNER, "UP-1", Interval(START, NOW), DELIVERED_REGISTER)
    assert [(read.value, read.end_device, read.epoch) for read in reads[-2:]] == [(123456, "M-1", 0), (500, "M-7", 1)]
    assert town.post(f"{POINT}/meter-exchange", order).status_code == HTTPStatus.CREATED
    assert len(town.get(f"{POINT}/installations").json()["items"]) == 2
    guessed = {"serial": "M-8", "at": "2026-11-22T09:00:00Z", "opening_kwh": 0, "estimate_final": True}
    seen = town.post(f"{POINT}/meter-exchange/preview", guessed)
    assert "cannot be estimated: one register read of UP-1 tells no daily use" in seen.json()["detail"]
    future = order | {"at": "2026-11-26T09:00:00Z"}
    assert town.post(f"{POINT}/meter-exchange", future).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    taken = {"serial": "M-2", "at": "2026-11-21T09:00:00Z"}
    assert town.post(f"{POINT}/meter-exchange", taken).status_code == HTTPStatus.CONFLICT


def test_a_wrong_exchange_is_cancelled_once(town: Town) -> None:
    at = "2026-11-20T09:00:00Z"
    before = town.get(f"{POINT}/installations").json()["items"]
    town.post(f"{POINT}/meter-exchange", {"serial": "M-7", "at": at, "final_kwh": "123.456", "opening_kwh": "0.5"})
    undo = {"at": at, "reason": "UP-2 was meant"}
    seen = town.post(f"{POINT}/meter-exchange/cancel/preview", undo).json()
    assert (seen["gone"]["end_device"], seen["goes_on"]["end_device"], seen["goes_on"]["to"]) == ("M-7", "M-1", None)
    assert [(each["value"], each["unit"], each["end_device"]) for each in seen["withdrawn"]] == [
        (123.456, "kWh", "M-1"),
        (0.5, "kWh", "M-7"),
    ]
    assert seen["judged_again"]["to"] == "2026-11-21T09:00:00Z"
    assert len(town.get(f"{POINT}/installations").json()["items"]) == 2
    answer = town.post(f"{POINT}/meter-exchange/cancel", undo)
    assert answer.status_code == HTTPStatus.OK, answer.text
    assert town.get(f"{POINT}/installations").json()["items"] == answer.json()["installations"] == before
    assert town.post(f"{POINT}/meter-exchange/cancel", undo).status_code == HTTPStatus.NOT_FOUND


def test_a_bill_as_the_customer_gets_it(town: Town) -> None:
    path = f"/v1/bills/{town.ids['bill']}"
    assert town.get(path).json()["state"] == "draft"
    issued = town.post(f"{path}/issue").json()
    assert (issued["state"], issued["number"]) == ("issued", 2)
    assert town.post(f"{path}/issue").json() == issued
    assert town.get(path, "own", headers={"Accept": "application/pdf"}).content.startswith(b"%PDF")
    assert "kWh" in town.get(path, "own", headers={"Accept": "text/plain"}).text
    assert town.post(f"{path}/cancel").json()["credit_number"] == 1


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"tariff": "/etc/passwd.toml"}, "tariff"),
        ({"tariff": "../secret.toml"}, "tariff"),
        ({"period": "2026-13"}, "period"),
        ({"period": "2099-01"}, "period"),
        ({"period": "9999999999"}, "period"),
        ({"when": "now"}, "when"),
    ],
)
def test_a_bill_run_that_cannot_be(shown_town: Town, body: dict[str, Any], name: str) -> None:
    answer = shown_town.post("/v1/bills", body)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.json()["errors"][0]["name"] == name


def test_a_device_is_registered_with_its_password_sealed(town: Town) -> None:
    asked = {
        "serial": "M-8",
        "driver": "generic-relay",
        "address": "tcp://127.0.0.1:4059/M-8",
        "usage_point": "UP-2",
        "password": "hush-hush",
        "since": "2026-11-25T11:00:00Z",
    }
    answer = town.post("/v1/end-devices", asked)
    assert answer.status_code in (HTTPStatus.CREATED, HTTPStatus.CONFLICT), answer.text
    asked["usage_point"] = "UP-8"
    answer = town.post("/v1/end-devices", asked)
    assert answer.status_code == HTTPStatus.CREATED, answer.text
    assert "hush" not in answer.text + town.get("/v1/end-devices/M-8").text + town.get("/v1/audit?limit=1000").text
    kept = town.platform.store.devices.secret(LOCAL_OWNER, "M-8")
    assert kept is not None
    assert b"hush" not in kept
    job = town.post("/v1/end-devices/M-8/commission")
    assert town.get(job.headers["location"]).json()["request"] == {"serials": ["M-8"]}


@pytest.mark.parametrize("driver", ["none", "/etc/passwd.toml", "../x.toml"])
def test_a_driver_has_a_name(shown_town: Town, driver: str) -> None:
    answer = shown_town.post("/v1/end-devices", {"serial": "M-8", "driver": driver, "address": "tcp://x:1/M-8"})
    assert answer.json()["errors"][0]["name"] == "driver"


@pytest.mark.parametrize(("path", "role"), [("/v1/bills", Role.BILLER), ("/v1/plans", Role.OPERATOR)])
def test_whoever_sees_a_part_of_the_town_orders_nothing_for_all_of_it(town: Town, path: str, role: Role) -> None:
    identities = town.platform.store.identities
    identities.save_user(LOCAL_OWNER, User("part", role, frozenset({"UP-1"})))
    town.keys["part"] = identities.create_key(LOCAL_OWNER, "part")[1]
    for body in ({}, {"points": ["UP-1"]}, {"points": ["UP-2"]}):
        assert town.post(path, body, "part").status_code == HTTPStatus.FORBIDDEN
    assert town.post(path, {"points": []}, "part").status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert town.post(path, {"points": ["UP-1", "UP-1"]}).json()["request"]["points"] == ["UP-1"]
    assert town.post(path, {"points": ["UP-404"]}).status_code == HTTPStatus.NOT_FOUND
    assert "points" not in town.post(path, {}).json()["request"]


def test_a_second_person_approves(town: Town) -> None:
    path = f"/v1/controls/{town.ids['control']}"
    refused = town.post(f"{path}/approve", who="second")
    assert refused.status_code == HTTPStatus.CONFLICT
    assert town.post(f"{path}/approve", who="operator").json()["approved_by"] == "operator"
    steps = town.get(path).json()["steps"]
    assert [(each["state"], each["actor"]) for each in steps] == [("requested", "second"), ("approved", "operator")]


def test_an_event_from_call_to_statement(town: Town) -> None:
    out = town.post("/v1/events/E-next/opt-out", {"usage_point": "UP-1"}, "own")
    assert out.json()["opted_out"] == ["UP-1"]
    assert town.post("/v1/events/E-next/opt-out", {"usage_point": "UP-1"}, "own").json() == out.json()
    key = {"Idempotency-Key": "out"}
    assert town.post("/v1/events/E-next/opt-out", {"usage_point": "UP-1"}, "own", headers=key).json() == out.json()
    statement = town.post("/v1/events/E-past/settle").json()["statement"]
    assert statement["state"] == "settled"
    shown = town.get("/v1/events/E-past").json()
    assert [each["usage_point"] for each in shown["performances"]] == ["UP-1", "UP-2"]
    assert town.post("/v1/events/E-past/cancel").status_code == HTTPStatus.CONFLICT


def test_accepted_findings_tell_by_whom_and_why(town: Town) -> None:
    asked = {"ids": [int(town.ids["finding"])], "reason": "seen on the spot"}
    told = {"findings": 1, "waiting": 0, "effects": []}
    assert town.post("/v1/findings/resolve", asked, "operator").json() == told
    listed = town.get("/v1/findings?resolved=true&point=UP-1").json()["items"]
    (found,) = [each for each in listed if each["resolved_by"]]
    assert (found["resolved_by"], found["resolution"]) == ("operator", "seen on the spot")
    assert town.get("/v1/findings?point=UP-1").json()["items"] == []


@pytest.mark.parametrize("verb", ["resolve", "reopen", "assign"])
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"code": "V17_stcuk"}, "no finding has the code 'V17_stcuk'"),
        ({"code": "V17_stuck", "from": "2026-11-25T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "must lie before to"),
        ({"code": "V17_stuck", "from": "2026-11-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "must lie before to"),
        ({"from": "2026-11-25T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "must lie before to"),
        ({"code": "V17_stuck", "from": "2026-11-25T00:00:00Z"}, "from and to belong together"),
    ],
)
def test_findings_that_nobody_meant_are_not_decided(town: Town, verb: str, asked: dict[str, str], words: str) -> None:
    """A period from its end to its begin took in every finding of the rule."""
    said = asked | ({"person": "operator"} if verb == "assign" else {"reason": "seen"})
    refused = town.post(f"/v1/findings/{verb}", said, "operator")
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, refused.text
    assert words in refused.text


def test_a_misspelt_rule_of_a_list_is_told(town: Town) -> None:
    refused = town.get("/v1/findings?code=V17")
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "did you mean V17_stuck?" in refused.text
    assert town.get("/v1/findings?code=V17_stuck").status_code == HTTPStatus.OK


def test_a_new_usage_point_is_in_the_zone_of_the_site(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its days, tariffs and bills follow that midnight, as those of a file that is imported."""
    settings = town.platform.settings
    site = settings.site.model_copy(update={"zone": "Europe/Berlin"})
    monkeypatch.setattr(town.platform, "settings", settings.model_copy(update={"site": site}))
    assert town.post("/v1/usage-points", {"id": "UP-8"}).status_code == HTTPStatus.CREATED
    assert town.get("/v1/usage-points/UP-8").json()["zone"] == "Europe/Berlin"
    new = put(town, "/v1/usage-points/UP-9", {}, If_None_Match="*")
    assert new.json()["zone"] == "Europe/Berlin"
    told = town.post("/v1/usage-points", {"id": "UP-7", "zone": "UTC"})
    assert told.json()["zone"] == "UTC"


def sent(town: Town, meter: str, **record: object) -> dict[str, Any]:
    """Send one reading of noon."""
    body = [{"meter": meter, "start": "2026-11-25T05:00:00Z", "interval_s": 900, **record}]
    found: dict[str, Any] = town.post("/v1/readings", body).json()
    return found


def noon(town: Town, point: str) -> float | None:
    query = {"from": "2026-11-25T05:00:00Z", "to": "2026-11-25T05:15:00Z"}
    values = town.get(f"/v1/usage-points/{point}/interval-blocks", params=query).json()["values"]
    found: float | None = values[0]
    return found


def test_a_guess_that_waited_gives_way_to_what_was_measured(town: Town) -> None:
    """The quarantine forgot the quality, and the guess counted as it came."""
    sent(town, "UP-2", kwh=5, quality="actual")
    assert sent(town, "M-77", kwh=9, quality="estimated")["quarantined"] == 1
    town.post("/v1/quarantine/M-77/claim", {"usage_point": "UP-2"})
    assert noon(town, "UP-2") == 5


def test_what_came_last_counts_after_a_claim_too(town: Town) -> None:
    for kwh in (1, 2, 1):
        assert sent(town, "M-78", kwh=kwh)["quarantined"] == 1
    town.post("/v1/quarantine/M-78/claim", {"usage_point": "UP-2"})
    assert noon(town, "UP-2") == 1


def test_register_reads_that_waited_give_energy_as_those_of_a_known_meter(town: Town) -> None:
    """The reads moved in, and of their intervals nobody knew anything."""
    at = ("2026-11-25T05:00:00Z", "2026-11-25T05:15:00Z")
    body = [{"meter": "M-80", "at": when, "register_kwh": 7 + half / 2} for half, when in enumerate(at)]
    assert town.post("/v1/readings", body).json()["quarantined"] == 2
    town.platform.store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-7")])
    done = town.post("/v1/quarantine/M-80/claim", {"usage_point": "UP-7", "multiplier": "20"}).json()
    derived = "1 interval of delivered energy since 2026-11-25T05:00:00+00:00 is derived from the register: 10.000 kWh"
    assert (done["registers"], done["notes"]) == (2, [derived])
    assert noon(town, "UP-7") == 10


def test_what_was_let_go_is_not_said_to_be_kept(town: Town) -> None:
    sent(town, "M-79", kwh=1)
    town.platform.store.quarantine.drop(LOCAL_OWNER, "M-79", reason="the neighbour's")
    told = sent(town, "M-79", kwh=1)
    assert (told["quarantined"], told["rejected"]) == (0, 1)
    assert told["verdicts"][0]["reason"] == "nobody knows it, and what it sent was let go"
    assert sent(town, "M-79", kwh=2)["quarantined"] == 1


def test_of_a_meter_just_what_was_let_go_is_refused(town: Town) -> None:
    """The first of its verdicts was, and the reading that it named waited."""
    sent(town, "M-80", kwh=1)
    town.platform.store.quarantine.drop(LOCAL_OWNER, "M-80", reason="the neighbour's")
    new = {"meter": "M-80", "start": "2026-11-25T04:00:00Z", "interval_s": 900, "kwh": 1}
    told = town.post("/v1/readings", [new, new | {"start": "2026-11-25T05:00:00Z"}]).json()
    assert [(one["index"], one["status"]) for one in told["verdicts"]] == [(0, "quarantined"), (1, "rejected")]


def test_the_writer_tells_how_many_reads_it_doubts(town: Town) -> None:
    records = [
        {"meter": "M-1", "at": f"2026-11-25T0{hour}:00:00Z", "register_kwh": kwh}
        for hour, kwh in ((6, 500), (7, 9000), (8, 501))
    ]
    assert town.post("/v1/readings", records).json()["doubted"] == 1
    assert town.get("/v1/status").json()["writer"]["doubted"] == 1


def test_an_outage_is_told_and_taken_back(town: Town) -> None:
    path, when = "/v1/grid/outages", {"from": "2026-11-20T10:10:00Z", "to": "2026-11-20T14:50:00Z"}
    asked = {"usage_points": ["UP-1", "UP-2"], "text": "a digger", **when}
    period = "from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z"
    before = town.get(f"{path}?{period}").json()["outages_total"]
    both = {"accepted": 2, "rejected": 0, "quarantined": 0, "verdicts": [], "verdicts_omitted": 0}
    assert town.post(path, asked).json() == {"events": 4, **both}
    assert town.post(path, asked).json() == {"events": 0, **both}
    told = town.get(f"{path}?{period}").json()
    assert told["outages_total"] > before
    assert any(each["minutes"] == 280 for each in told["outages"])
    (off,) = [
        each
        for each in town.get(f"/v1/usage-points/UP-1/end-device-events?{period}").json()["items"]
        if each["type"] == "3.26.0.47" and each["text"] == "a digger"
    ]
    assert off["details"] == {"told_by": "admin"}
    undone = {key: asked[key] for key in ("usage_points", "from")}
    assert town.post(f"{path}/cancel", undone).json() == {"events": 4, **both, "already": []}
    assert town.post(f"{path}/cancel", undone).json() == {"events": 0, **both, "already": ["UP-1", "UP-2"]}
    assert town.get(f"{path}?{period}").json()["outages_total"] == before
    for wrong, field in (({"to": when["from"]}, "to"), ({"from": "2026-12-20T00:00:00Z", "to": None}, "from")):
        answer = town.post(path, asked | wrong)
        assert (answer.status_code, answer.json()["errors"][0]["name"]) == (422, field)


def test_an_outage_has_a_verdict_on_each_usage_point(town: Town) -> None:
    path, start = "/v1/grid/outages", {"from": "2026-11-19T10:10:00Z"}
    mixed = {"usage_points": ["UP-1", "NOBODY", 7, "x" * 121], **start}
    for events in (2, 0):
        answer = town.post(path, mixed)
        told = answer.json()
        assert answer.status_code == 200
        assert [told[name] for name in ("events", "accepted", "rejected", "quarantined")] == [events, 1, 2, 1]
        assert [(each["index"], each["status"], each["value"][:6]) for each in told["verdicts"]] == [
            (1, "quarantined", "NOBODY"),
            (2, "rejected", "7"),
            (3, "rejected", "xxxxxx"),
        ]
        assert all(each["reason"] and each["remedy"] for each in told["verdicts"])
    waiting = {each["meter"]: each["events"] for each in town.get("/v1/quarantine").json()["items"]}
    assert waiting["NOBODY"] == 1
    gone = town.post(f"{path}/cancel", mixed | {"usage_points": ["UP-1", "NOBODY", "UP-2"]}).json()
    assert (gone["events"], gone["rejected"], gone["quarantined"]) == (3, 1, 1)
    assert "no outage of UP-2" in gone["verdicts"][1]["reason"]
