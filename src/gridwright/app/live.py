"""The living part of a platform: devices, controls, billing runs and outlooks, with what the settings say of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridwright.app.platform import Platform
    from gridwright.collect import ReadPolicy
    from gridwright.control import ControlPolicy
    from gridwright.domain.bill import Bill
    from gridwright.domain.correction import Correction
    from gridwright.domain.obstacle import BillGate, Obstacle, Withheld
    from gridwright.domain.usage_point import UsagePoint, UsualKw
    from gridwright.jobs.billing.run_billing import BillOrder, BillRun
    from gridwright.jobs.cascade.correct import Cascaded
    from gridwright.jobs.cascade.rerate_bill import CorrectionPolicy
    from gridwright.jobs.cascade.trust_readings import SiteDefaults
    from gridwright.jobs.field.collect_reads import CollectSummary
    from gridwright.jobs.field.commission_device import Commissioned
    from gridwright.jobs.field.device_line import Lines
    from gridwright.jobs.field.execute_controls import ControlSummary, Pace
    from gridwright.jobs.meters.accept_findings import Deciding
    from gridwright.jobs.meters.edit_readings import EditPolicy
    from gridwright.jobs.outlook.refresh_outlooks import Refreshed
    from gridwright.jobs.upkeep.vault import Vault
    from gridwright.vee import RuleBook

Progress = Callable[[int, int], None]


def vault(platform: Platform) -> Vault:
    """Return the vault; its key lies beside the database, where the settings say, or in the environment."""
    from gridwright.jobs.upkeep.key_users import seen_from
    from gridwright.jobs.upkeep.look_after_keys import require_nothing_sealed
    from gridwright.jobs.upkeep.vault import KEY_FILE, KEY_VARIABLE, Vault
    from gridwright.store.engine import place, resolve

    key, url = platform.settings.store.secret_key or platform.folder / KEY_FILE, resolve(platform.settings.store.url)
    where = seen_from(key, Path(place(url))) if url.get_backend_name() == "sqlite" else place(url)
    unsealed = partial(require_nothing_sealed, platform.settings.store.url, str(key))
    given = os.environ.get(KEY_VARIABLE)
    return Vault(key, given=given, user=f"the database {where}", before_making=unsealed)


def usual_kw(platform: Platform) -> UsualKw:
    """Return what the rules of the site say of connections whose capacity nobody told; the file may change meanwhile.

    While it cannot be read, its last rules hold: what comes in is kept, and whoever judges it says what is wrong.
    """
    from gridwright.domain.errors import ConfigError
    from gridwright.vee import packaged
    from gridwright.vee.validate import usual_kw as usual

    last: list[RuleBook] = []

    def kw(points: Sequence[UsagePoint]) -> list[float]:
        with suppress(ConfigError):
            last[:] = [platform.rule_book()]
        return usual(points, last[0] if last else packaged())

    return kw


def lines(platform: Platform) -> Lines:
    """Return how devices are called: by the drivers, with passwords from the vault."""
    from gridwright.drivers import connect
    from gridwright.jobs.field.device_line import Lines

    chest = vault(platform)

    def secret_of(serial: str) -> bytes | None:
        sealed = platform.store.devices.secret(platform.access, serial)
        return None if sealed is None else chest.open(sealed)

    return Lines(partial(connect, timeout_s=platform.settings.collect.timeout_s), secret_of)


def read_policy(platform: Platform) -> ReadPolicy:
    """Return how often and how patiently devices are read."""
    from gridwright.collect import ReadPolicy

    chosen = platform.settings.collect
    return ReadPolicy(
        every=timedelta(minutes=chosen.every_min),
        look_back=timedelta(days=chosen.look_back_days),
        together=chosen.together,
        per_gateway=chosen.per_gateway,
        set_clock=chosen.set_clock,
    )


def control_policy(platform: Platform) -> ControlPolicy:
    """Return what control is allowed to do."""
    from gridwright.control import ControlPolicy

    chosen = platform.settings.control
    return ControlPolicy(
        stale_after=timedelta(hours=chosen.stale_after_h),
        mass_limit=chosen.mass_limit,
        mass_window=timedelta(minutes=chosen.mass_window_min),
        hours=chosen.hours,
    )


def edit_policy(platform: Platform) -> EditPolicy:
    """Return what one person may change in readings."""
    from gridwright.jobs.meters.edit_readings import EditPolicy

    return EditPolicy(platform.settings.edits.alone_kwh)


def deciding(platform: Platform) -> Deciding:
    """Return by which rules, and how far alone, a person decides about findings now."""
    from gridwright.jobs.meters.accept_findings import Deciding

    return Deciding(edit_policy(platform), platform.site, platform.clock())


def collect(platform: Platform, serials: Sequence[str] = (), *, progress: Progress | None = None) -> CollectSummary:
    """Read the devices that are due, or the named ones now."""
    from gridwright.jobs.field.collect_reads import collect_due

    return collect_due(
        platform.store,
        platform.access,
        lines(platform),
        platform.clock,
        policy=read_policy(platform),
        serials=serials,
        progress=progress,
    )


def commission(platform: Platform, serials: Sequence[str] = (), *, progress: Progress | None = None) -> Commissioned:
    """Commission the named devices, or all that are not in service yet."""
    from gridwright.jobs.field.commission_device import commission_devices

    return commission_devices(
        platform.store, platform.access, lines(platform), platform.clock, serials=serials, progress=progress
    )


def execute_controls(platform: Platform, pace: Pace | None = None) -> ControlSummary:
    """Carry out what is approved, and go on with what was sent."""
    from gridwright.jobs.field import execute_controls as job

    return job.execute_controls(
        platform.store, platform.access, lines(platform), platform.clock, policy=control_policy(platform), pace=pace
    )


def run_billing(
    platform: Platform,
    order: BillOrder,
    tariff: str | Path | None = None,
    *,
    site: SiteDefaults | None = None,
    progress: Progress | None = None,
) -> BillRun:
    """Bill what is ordered, by the named rate card or by that of each usage point."""
    from gridwright.jobs.billing import run_billing as job

    card = platform.rate_card(tariff) if tariff else None
    return job.run_billing(
        platform.store,
        platform.access,
        replace(order, gate=bill_gate(platform)),
        lambda point: card or platform.rate_card_of(point),
        site or platform.site,
        now=platform.clock(),
        policy=correction_policy(platform),
        progress=progress,
    )


def bill_gate(platform: Platform) -> BillGate:
    """Return what withholds a bill: the packaged rules, changed where the settings say so."""
    from gridwright.billing.gate import gate_rule, packaged_gate
    from gridwright.domain.errors import ConfigError
    from gridwright.domain.obstacle import BillGate
    from gridwright.vee.remedies import what_to_do

    chosen, rules = platform.settings.billing, dict(packaged_gate().rules)
    for code, rule in chosen.gate.items():
        if not what_to_do(code):
            raise ConfigError(
                f"billing.gate names {code!r}, and no rule has this code", remedy="see docs/reference/findings.md"
            )
        rules.pop(code, None)
        if rule.severity != "never":
            rules[code] = gate_rule(rule.severity, rule.least_percent)
    estimated = chosen.gate_estimated_percent
    return BillGate(rules, chosen.gate_missing_percent / 100, None if estimated is None else estimated / 100)


def issue_bill(platform: Platform, name: str, despite: str = "") -> int:
    """Issue a draft that nothing withholds, or in spite of it for a reason, and return its number."""
    from gridwright.jobs.billing import pass_gate as job

    return job.issue_bill(platform.store, platform.access, name, gate=bill_gate(platform), despite=despite)


def issue_note(platform: Platform, name: str, despite: str = "") -> int:
    """Issue the draft of a credit or debit note that nothing withholds, or in spite of it for a reason."""
    from gridwright.jobs.billing import pass_gate as job

    return job.issue_note(platform.store, platform.access, name, gate=bill_gate(platform), despite=despite)


def obstacles_of(platform: Platform, bill: Bill) -> tuple[Obstacle, ...]:
    """Return what withholds the draft of a bill."""
    from gridwright.jobs.billing import pass_gate as job

    return job.obstacles_of(platform.store, platform.access, bill, bill_gate(platform))


def obstacles_of_notes(platform: Platform, notes: Sequence[Correction]) -> list[tuple[Obstacle, ...]]:
    """Return for each credit or debit note what withholds it."""
    from gridwright.jobs.billing import pass_gate as job

    return job.obstacles_of_notes(platform.store, platform.access, notes, bill_gate(platform))


def withheld_now(platform: Platform, points: Sequence[str] | None = None, *, most: int | None = None) -> list[Withheld]:
    """Return the months that are withheld by what is in doubt now; `most`: by so many findings, the newest."""
    from gridwright.jobs.billing import withheld_now as job

    gate, most = bill_gate(platform), most or job.LOOKED_AT
    return job.withheld_now(platform.store, platform.access, gate, now=platform.clock(), points=points, most=most)


def correction_policy(platform: Platform) -> CorrectionPolicy:
    """Return what difference is worth a credit or debit note."""
    from gridwright.jobs.cascade.rerate_bill import CorrectionPolicy

    chosen = platform.settings.billing
    share = chosen.note_least_percent
    return CorrectionPolicy(chosen.note_least_money, None if share is None else share / 100)


def correct(
    platform: Platform,
    points: Sequence[str] | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Cascaded:
    """Carry what changed through to final readings and day totals, and rate the bills again that it touches.

    With `dry_run` nothing is kept: it tells of the bills that wait to be rated again.
    """
    from gridwright.jobs.billing.card_for import BillCards
    from gridwright.jobs.cascade.adopt_rules import adopt_rules
    from gridwright.jobs.cascade.correct import Cascaded, Corrected
    from gridwright.jobs.cascade.correct import correct as work
    from gridwright.jobs.cascade.rerate import Pricing, rerate
    from gridwright.jobs.upkeep.archive_months import bring_back

    store, access, now = platform.store, platform.access, platform.clock()
    cards = BillCards(platform.rate_card_of, platform.settings.billing.rate_cards)
    pricing = Pricing(cards.find, platform.site, correction_policy(platform))
    done = Corrected()
    notes: tuple[str, ...] = ()
    if not dry_run:
        source = platform.settings.vee.source
        notes = adopt_rules(store, access, platform.site.rules, now=now, source=source).notes
        done = work(store, access, platform.site, now=now, points=points, progress=progress)
        bring_back(store, access)
    bills = rerate(store, access, pricing, now=now, points=points, dry_run=dry_run)
    return Cascaded(done, replace(bills, notes=[*notes, *bills.notes]))


def refresh_outlooks(
    platform: Platform, points: Sequence[str] | None = None, *, progress: Progress | None = None
) -> Refreshed:
    """Issue forecasts, plans of batteries and the network's balance."""
    from gridwright.jobs.outlook import refresh_outlooks as job

    return job.refresh_outlooks(
        platform.store,
        platform.access,
        platform.rate_card_of,
        platform.site,
        now=platform.clock(),
        points=points,
        progress=progress,
    )
