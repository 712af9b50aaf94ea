"""The composition root: settings in, a wired platform out; the only place that builds things."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gridwright.app.views import ForecastView
from gridwright.domain.access import LOCAL_OWNER, Access
from gridwright.domain.bill import Bill
from gridwright.domain.errors import GridwrightError, InputError, NotFound, UsageError
from gridwright.domain.finding import Finding
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval, parse_period
from gridwright.domain.panel import Panel
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import CLASSES, UsagePoint
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.documents.report_data import ReportData
    from gridwright.jobs.cascade.trust_readings import Material, SiteDefaults, Trusted
    from gridwright.jobs.files.import_trusted import TrustedImport
    from gridwright.jobs.files.ingest_file import Imported
    from gridwright.jobs.load.load_final import FinalGroup
    from gridwright.settings import Settings
    from gridwright.store import Store
    from gridwright.vee import RuleBook

Progress = Callable[[int, int], None]
PAST_SHOWN = timedelta(hours=72)
LONGEST = timedelta(days=3650)


@dataclass(slots=True)
class Platform:
    """Everything wired: the store of the settings, and the jobs on it. `clock` tells the time, `access` who asks.

    `_opening` is called before the store is opened, or made; whoever may not have meant it raises there.
    """

    settings: Settings
    access: Access = LOCAL_OWNER
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _store: Store | None = field(default=None, repr=False)
    _opening: Callable[[], None] | None = field(default=None, repr=False)

    # --- what is built ------------------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """The store named in the settings, opened (and made or migrated) when first asked for."""
        if self._store is None:
            if self._opening is not None:
                self._opening()
            from gridwright.app.live import usual_kw, vault
            from gridwright.store import open_store

            self._store = open_store(self.settings.store.url, master=vault(self))
            self._store.usual_kw = usual_kw(self)
        return self._store

    def close(self) -> None:
        """Close the store, if it was opened."""
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def folder(self) -> Path:
        """The folder of the database file; the current one when a server keeps the data."""
        url = self.settings.store.url.removeprefix("sqlite:///")
        if "://" in url:
            return Path()
        return Path(url) if url.endswith("/") or Path(url).is_dir() else Path(url).parent

    def for_access(self, access: Access) -> Platform:
        """Return the same platform, with the same open store, speaking for somebody else."""
        return replace(self, access=access, _store=self.store)

    @property
    def site(self) -> SiteDefaults:
        """What is assumed of usage points that nothing else describes."""
        from gridwright.jobs.cascade.trust_readings import SiteDefaults

        chosen, book = self.settings.site, self.rule_book()
        book.check_class(chosen.customer_class, "site.customer_class in the settings")
        alone = self.settings.edits.alone_kwh
        return SiteDefaults(chosen.customer_class, chosen.capacity_kw, chosen.holidays, book, alone)

    @property
    def new_point(self) -> Callable[[str, str], UsagePoint]:
        """What a usage point of a name and a zone begins as: what the settings say now is its own from then on."""
        chosen = self.settings.site
        if chosen.customer_class not in CLASSES:
            self.rule_book().check_class(chosen.customer_class, "site.customer_class in the settings")
        if chosen.holidays:
            from gridwright.billing import holiday_dates

            holiday_dates(chosen.holidays, (self.clock().year,))
        return partial(
            UsagePoint,
            customer_class=chosen.customer_class,
            capacity_kw=chosen.capacity_kw,
            holidays=chosen.holidays,
        )

    def rule_book(self, file: Path | None = None) -> RuleBook:
        """Return the groups of validation rules: of a file, else of the settings' file, before the packaged ones."""
        from gridwright.jobs.cascade.find_rules import find_rules

        return find_rules(file or self.settings.vee.rules)

    def reading_options(self, given: ReadOptions | None = None) -> ReadOptions:
        """Return the options of a file with the settings' zone as the default one."""
        return replace(given or ReadOptions(), default_zone=self.settings.site.zone)

    def rate_card(self, name: str | Path | RateCard | None) -> RateCard:
        """Return a rate card by path or name; None = the example rate of 0.30 per kWh."""
        if isinstance(name, RateCard):
            return name
        if name is None:
            from gridwright.billing import example_card

            return example_card(self.settings.billing.currency)
        from gridwright.jobs.billing.find_rate_card import find_rate_card

        return find_rate_card(str(name), self.settings.billing.rate_cards)

    def rate_card_of(self, point: UsagePoint) -> RateCard:
        """Return the rate card that a usage point's attribute `rate_card` names, else that of the settings."""
        return self.rate_card(point.attributes.get("rate_card") or self.settings.billing.rate_card or None)

    # --- the five lines -----------------------------------------------------------------------------------------------

    def usage_points(self) -> tuple[UsagePoint, ...]:
        """Return every usage point in the store."""
        return self.store.registry.points(self.access)

    def readings(
        self,
        point: str,
        period: str | Interval | None = None,
        *,
        as_of: datetime | None = None,
        image: Image = Image.RAW,
    ) -> Panel:
        """Return a usage point's delivered energy as it is stored: a one-row Panel with quality.

        `period`: `2025`, `2025-03`, `2025-03-30`, `FROM/TO` (the point's own zone) or an Interval; None = all.
        `as_of`: as known at that instant. `image`: as it came, or final, as validation, estimation and edits left it.
        Months that left the database are read in the archive; one that cannot be is ArchiveUnreadable.
        """
        whole = self._period_of(point, period)
        if image is Image.FINAL:
            from gridwright.jobs.load.load_final import final_panel

            return final_panel(self.store, self.access, point, whole, self.site, as_of=as_of)
        material = self.stored([point], whole, as_of=as_of)
        return main_panel(material, point, whole)

    def as_came(self, point: str, period: str | Interval | None = None, *, as_of: datetime | None = None) -> Panel:
        """Return a usage point's energy as it came: delivered, or with its sign, where one series has both directions.

        Otherwise as the raw image of `readings`.
        """
        from gridwright.jobs.load.made_series import with_sign

        whole = self._period_of(point, period)
        material = self.stored([point], whole, as_of=as_of)
        return with_sign(material.panels, point, main_panel(material, point, whole))

    def trusted(self, point: str, period: str | Interval | None = None) -> Panel:
        """Return a usage point's delivered energy as bills take it: final, or validated and estimated until it is."""
        whole = self._period_of(point, period)
        panel = self._usable([point], None, site=self.site, as_of=None)[0][0].trusted
        return panel.regrid(whole) if whole else panel

    def validate(self, panel: Panel) -> list[Finding]:
        """Check a panel by the rules of its usage points' classes; an empty list means no rule has a doubt."""
        from gridwright.vee import validate

        return list(validate(panel, self._known(panel), rules=self.rule_book(), now=self.clock()).findings)

    def estimate(self, panel: Panel) -> Panel:
        """Validate a panel and fill its gaps; measured values stay as they are."""
        from gridwright.vee import estimate, validate

        points = self._known(panel)
        judged = validate(panel, points, rules=self.rule_book(), now=self.clock())
        return estimate(judged.panel, points).panel

    def rate(self, panel: Panel, card: str | Path | RateCard | None = None) -> Bill:
        """Bill a one-row panel by a rate card: its path, its name, or the card itself."""
        from gridwright.billing import rate

        (point,) = self._known(panel).values()
        return rate(panel, self.rate_card(card), usage_point=point, known_at=self.clock())

    def forecast(self, point: str, horizon: str | timedelta = "48h") -> ForecastView:
        """Forecast a usage point over `horizon` (`48h`, `2d` or a timedelta), by the model that has earned it."""
        from gridwright.forecast import serve

        groups, notes = self.usable([point])
        group = groups[0]
        forecast = serve(group.trusted, duration(horizon), zone=group.zone)
        forecast = replace(forecast, notes=(*forecast.notes, *notes))
        past = group.trusted.between(Interval(group.trusted.end - PAST_SHOWN, group.trusted.end))
        return ForecastView(forecast, past, group.zone)

    # --- files and reports --------------------------------------------------------------------------------------------

    def import_file(
        self,
        path: Path | str,
        options: ReadOptions | None = None,
        *,
        dry_run: bool = False,
        rejects_to: Path | None = None,
        progress: Progress | None = None,
        again: bool = True,
    ) -> Imported:
        """Import a meter file into the store; safe to interrupt, and to run again.

        `again`: also take in once more what came whole before.
        """
        from gridwright.jobs.files.ingest_file import ingest_file
        from gridwright.telemetry import job_line

        with job_line("reading import", file=str(path), dry_run=dry_run) as facts:
            done = ingest_file(
                self.store,
                self.access,
                path,
                self.reading_options(options),
                known_at=self.clock(),
                progress=progress,
                not_after=self.clock(),
                dry_run=dry_run,
                rejects_to=rejects_to,
                again=again,
                new_point=self.new_point,
            )
            facts |= {"accepted": done.intake.accepted, "rejected": done.intake.rejected}
        return done

    def import_trusted(
        self,
        path: Path | str,
        options: ReadOptions | None = None,
        *,
        rejects_to: Path | None = None,
        progress: Progress | None = None,
    ) -> TrustedImport:
        """Import a meter file, validate and estimate it in the same pass; safe to interrupt, and to run again."""
        from gridwright.jobs.cascade.adopt_rules import adopt_first
        from gridwright.jobs.files.import_trusted import import_trusted
        from gridwright.telemetry import job_line

        with job_line("reading import", file=str(path), validate=True) as facts:
            now = self.clock()
            adopt_first(self.store, self.access, self.site.rules, now=now, source=self.settings.vee.source)
            done = import_trusted(
                self.store,
                self.access,
                path,
                self.reading_options(options),
                site=self.site,
                known_at=now,
                progress=progress,
                not_after=now,
                rejects_to=rejects_to,
            )
            facts |= {"accepted": done.imported.intake.accepted, "findings": done.findings, "final": done.final}
        return done

    def report(
        self,
        paths: Sequence[Path | str],
        options: ReadOptions | None = None,
        *,
        tariff: str | Path | RateCard | None = None,
        site: SiteDefaults | None = None,
        progress: Progress | None = None,
    ) -> ReportData:
        """Return everything a report shows of some meter files; the store is not touched."""
        from gridwright import __version__
        from gridwright.jobs.outlook.make_report import ReportRequest, make_report
        from gridwright.telemetry import job_line

        request = ReportRequest(
            tuple(Path(path) for path in paths),
            self.reading_options(options),
            site or self.site,
            self.clock(),
            __version__,
            self.rate_card(tariff) if tariff else None,
            self.settings.billing.currency,
            self.settings.report.details,
        )
        with job_line("report", files=[str(path) for path in paths]) as facts:
            data = make_report(request, progress)
            facts |= {"usage_points": len(data.points)}
        return data

    def read(self, path: Path | str, options: ReadOptions | None = None) -> Material:
        """Return what a meter file holds, without storing it."""
        from gridwright.jobs.cascade.trust_readings import material_of
        from gridwright.jobs.files.read_file import read_file

        return material_of(read_file(path, self.reading_options(options), not_after=self.clock()))

    def stored(
        self,
        points: Sequence[str] | None = None,
        period: Interval | None = None,
        *,
        as_of: datetime | None = None,
    ) -> Material:
        """Return what the store holds of some usage points (None = all)."""
        from gridwright.jobs.load.load_stored import load_stored
        from gridwright.jobs.load.one_resolution import one_resolution

        found = load_stored(self.store, self.access, points, period, as_of=as_of)
        return replace(found, panels=tuple(one_resolution(found.panels)))

    def usable(
        self,
        points: Sequence[str] | None = None,
        period: Interval | None = None,
        *,
        site: SiteDefaults | None = None,
        as_of: datetime | None = None,
    ) -> tuple[list[FinalGroup], list[str]]:
        """Return usage points of the store as bills and pages have them; the notes name series that were left out.

        Final images where there are any; what is not judged yet is validated and estimated for the moment. Archived
        months that cannot be read are named by a note, and ArchiveUnreadable where nothing else is there.
        """
        from gridwright.store.archive.reading import leaving_out

        with leaving_out() as lost:
            try:
                groups, notes = self._usable(points, period, site=site or self.site, as_of=as_of)
            except NotFound:
                if lost:
                    raise lost[0] from None
                raise
        return groups, [*notes, *(f"left out: {error}" for error in lost)]

    def _usable(
        self, points: Sequence[str] | None, period: Interval | None, *, site: SiteDefaults, as_of: datetime | None
    ) -> tuple[list[FinalGroup], list[str]]:
        from gridwright.jobs.load.load_trusted import Reader

        groups, notes = Reader(self.store, self.access, site, self.clock(), as_of).trusted(points, period)
        if not groups:
            raise nothing_usable()
        return groups, notes

    def trust(self, material: Material, site: SiteDefaults | None = None) -> tuple[list[Trusted], list[str]]:
        """Validate and estimate; the notes name series that were left out."""
        from gridwright.jobs.cascade.trust_readings import trust_readings

        groups, notes = trust_readings(material, site or self.site, now=self.clock())
        if not groups:
            raise nothing_usable(material)
        return groups, notes

    def _period_of(self, point: str, period: str | Interval | None) -> Interval | None:
        tz = self.store.registry.point(self.access, point).tz
        return parse_period(period, tz) if isinstance(period, str) else period

    def _known(self, panel: Panel) -> dict[str, UsagePoint]:
        stored = {point.id: point for point in self.store.registry.points(self.access, list(panel.points))}
        site, zone = self.site, self.settings.site.zone
        return {name: stored.get(name) or site.usage_point(name, zone) for name in panel.points}


def main_panel(material: Material, point: str, period: Interval | None) -> Panel:
    """Return the delivered energy of one usage point as read, on exactly `period` when given."""
    from gridwright.jobs.cascade.trust_readings import summed
    from gridwright.jobs.load.main_series import main_groups

    groups, _ = main_groups(material.panels, material.zones)
    group = next((group for group in groups if point in group.points), None)
    if group is None:
        raise NotFound(
            f"{point} has no energy readings in {period}", remedy="gridwright usage-point show tells what is there"
        )
    panel = summed(group.delivered, group.points).row(point)
    return panel.regrid(period) if period else panel


def nothing_usable(material: Material | None = None) -> GridwrightError:
    """Say why nothing can be worked on: the first reject of a file, else that it, or the store, holds no energy."""
    intake = material.intake if material else None
    rejects = [reject for reject in intake.rejects if not reject.conflict] if intake else []
    if intake and rejects:
        first = rejects[0]
        return InputError(first.reason, where=f"{intake.source} line {first.line}", remedy=first.remedy)
    return NotFound(
        "there is no series of energy or power to work on",
        where=intake.source if intake else "store",
        remedy="gridwright reading import FILE --dry-run tells what a file holds",
    )


def duration(text: str | timedelta) -> timedelta:
    """Read a length of time such as `48h`, `2d` or `90min`."""
    if isinstance(text, timedelta):
        return text
    text = str(text)
    units = {"min": 60, "h": 3600, "d": 86_400}
    unit = next((unit for unit in units if text.endswith(unit)), "")
    number = text.removesuffix(unit)
    # Digits of other scripts are digits too, but not to everybody who reads the settings.
    if not unit or not (number.isascii() and number.isdigit()) or not number.strip("0"):
        raise UsageError(f"{text!r} is not a length of time", remedy="write 48h, 2d or 90min")
    if len(number) > len(str(LONGEST.days * 1440)) or (length := int(number) * units[unit]) > LONGEST.total_seconds():
        raise UsageError(f"{text!r} is longer than {LONGEST.days} days", remedy="write for example 48h or 2d")
    return timedelta(seconds=length)


def open_platform(path: Path | str | None = None) -> Platform:
    """Return the platform of a settings file; None = ./gridwright.toml if there is one, else the defaults."""
    from gridwright.settings import load_settings

    return Platform(load_settings(path).settings)


def demo() -> Platform:
    """Return a platform with a simulated town in memory: UP-1042 (home), UP-1043 (with PV) and UP-1044 (shop)."""
    from gridwright.settings import Settings, StoreSettings
    from gridwright.simulate.demo_file import demo_town
    from gridwright.store import open_store

    town = demo_town()
    settings = Settings(store=StoreSettings(url="sqlite://"))
    platform = Platform(settings, clock=lambda: town.panel.end, _store=open_store("sqlite://"))
    platform.store.registry.save_points(platform.access, town.points)
    for panel in (town.panel, town.received):
        if panel is not None:
            platform.store.readings.save(platform.access, panel, known_at=panel.end)
    return platform
