"""Settings: gridwright.toml and GRIDWRIGHT_* variables, read once; an unknown name is an error with a suggestion."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from gridwright.domain.errors import ConfigError, GridwrightError
from gridwright.domain.interval import zone_of

PREFIX = "GRIDWRIGHT_"
FILE_NAME = "gridwright.toml"
# Variables with our prefix that are no settings: where the file is, and what the test-suite reads.
NO_SETTINGS = (
    "GRIDWRIGHT_CONFIG",
    "GRIDWRIGHT_KEY",
    "GRIDWRIGHT_MQTT_PASSWORD",
    "GRIDWRIGHT_SECRET_KEY",
    "GRIDWRIGHT_SHARED_DATA",
    "GRIDWRIGHT_TEST_",
)


class Section(BaseModel):
    """A table of gridwright.toml; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(Section):
    """Where readings, bills and history are kept."""

    # It may hold a password, so it stands in no repr.
    url: str = Field(
        default="gridwright.db",
        repr=False,
        description="database: a file, or postgresql+psycopg://… or mysql+pymysql://…",
    )
    secret_key: Path | None = Field(
        default=None,
        repr=False,
        description="file of the master key of what is sealed; made beside the database",
    )


class SiteSettings(Section):
    """What is assumed of a usage point that nothing else describes."""

    zone: str = Field(default="UTC", description="IANA time zone of its civil days, such as Europe/Berlin")
    customer_class: str = Field(
        default="residential",
        description="which validation rule set applies: residential, commercial, industrial, or a declared one",
    )
    capacity_kw: float | None = Field(
        default=None, gt=0, description="rating of the connection; enables the capacity rule"
    )
    holidays: str = Field(default="", description="holiday calendar, such as DE-BE or US-CA")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            zone_of(name)
        except GridwrightError as error:
            raise ValueError(str(error)) from error
        return name


class GateRuleSettings(Section):
    """From when on a rule's open findings withhold a bill."""

    severity: Literal["fail", "warn", "info", "never"] = Field(
        default="fail", description="least severity that withholds a bill; never = none does"
    )
    least_percent: float = Field(
        default=0.0, ge=0, le=100, description="part of the billed time that the findings must doubt, in percent"
    )


class BillingSettings(Section):
    """How bills are made."""

    rate_cards: Path = Field(default=Path("rate_cards"), description="folder of rate cards (TOML)")
    rate_card: str = Field(default="", description="rate card of usage points whose attribute rate_card names none")
    currency: str = Field(
        default="EUR", min_length=3, max_length=3, description="currency of the example rate card (ISO 4217)"
    )
    gate: dict[str, GateRuleSettings] = Field(
        default={}, description="rules whose open findings withhold a bill, by code, before the packaged ones"
    )
    gate_missing_percent: float = Field(
        default=0.0, ge=0, le=100, description="part of the intervals that may have no value when a bill is issued"
    )
    gate_estimated_percent: float | None = Field(
        default=None, ge=0, le=100, description="part of them that may be estimates by then; left out, all"
    )
    note_least_money: Decimal = Field(
        default=Decimal("0.01"), ge=0, description="difference of an issued bill from which on a note is drafted"
    )
    note_least_percent: Decimal | None = Field(
        default=None, ge=0, description="or this part of the energy billed, in percent; smaller ones are held back"
    )


class ReportSettings(Section):
    """What a report shows."""

    details: int = Field(
        default=12, ge=1, le=500, description="usage points shown in full; the others get a row in the table"
    )


class ServerSettings(Section):
    """Where the server listens, and what it takes."""

    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 = every network")
    port: int = Field(default=8080, ge=0, le=65_535, description="TCP port; 0 = any free one")
    tls_cert: Path | None = Field(default=None, description="certificate chain (PEM); with it the server speaks HTTPS")
    tls_key: Path | None = Field(default=None, description="private key of the certificate (PEM)")
    interval_s: Literal[60, 300, 600, 900, 1800, 3600] = Field(
        default=900, description="length of the intervals of readings that do not tell it, in seconds"
    )
    journal: bool = Field(
        default=True, description="whether uniform batches are journalled first, and brought into their days behind it"
    )
    max_body_mb: int = Field(default=64, ge=1, le=4096, description="largest request body in MiB")
    proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description="addresses or networks of proxies whose X-Forwarded-For and -Proto are believed"
    )


class LineFieldSettings(Section):
    """What a field of line protocol means."""

    unit: str = Field(default="", description="unit, such as kWh, W or V")
    flow: str = Field(default="", description="delivered, received or net")
    reading_type: str = Field(default="", description="code of the reading type, where unit and flow do not say it all")
    quality: str = Field(default="", description="quality of the values, such as raw or actual")
    interval_s: int = Field(default=0, ge=0, le=3600, description="length of the interval; 0 = as usual")
    cumulative: bool = Field(default=False, description="whether it is a register that only grows")


class LineProtocolSettings(Section):
    """How InfluxDB line protocol becomes readings."""

    point_tags: tuple[str, ...] = Field(
        default=("usage_point", "meter", "meter_id", "device_id", "device", "serial", "host"),
        description="tags that name the usage point or meter; the first that is there counts",
    )
    sample_s: Literal[1, 5, 10, 15, 30, 60, 300, 600, 900] = Field(
        default=60, description="grid in seconds on which instantaneous values are kept, the last of each by time"
    )
    ignore: tuple[str, ...] = Field(
        default=(), description="fields, measurements or measurement/field that are left out without a word"
    )
    fields: dict[str, LineFieldSettings] = Field(
        default={}, description="what fields mean, by field or measurement/field"
    )


class MqttSettings(Section):
    """The MQTT 5 broker whose messages `gridwright listen` takes."""

    host: str = Field(default="", description="name or address of the broker; without, there is none")
    port: int = Field(default=1883, ge=1, le=65_535, description="TCP port of the broker, with TLS mostly 8883")
    client_id: str = Field(
        default="gridwright", min_length=1, max_length=120, description="name of our session; each listener has its own"
    )
    group: str = Field(default="", description="group of listeners that share the messages; without, each gets all")
    topics: tuple[str, ...] = Field(
        default=("gridwright/{usage_point}/{quantity}",), description="topics of one value each, by what they name"
    )
    json_topics: tuple[str, ...] = Field(
        default=("gridwright/readings",), description="topics whose messages are bodies of POST /v1/readings"
    )
    outage_topics: tuple[str, ...] = Field(
        default=(), description="topics whose messages tell of outages, or take them back; for a control room alone"
    )
    sparkplug_groups: tuple[str, ...] = Field(default=(), description="groups of Sparkplug B that are taken")
    username: str = Field(default="", description="user at the broker")
    password_file: Path | None = Field(
        default=None, description="file with the user's password; without, GRIDWRIGHT_MQTT_PASSWORD"
    )
    tls: bool = Field(default=False, description="whether the broker is reached by TLS")
    ca_file: Path | None = Field(default=None, description="certificates (PEM) that the broker's is checked against")
    client_cert: Path | None = Field(default=None, description="certificate (PEM) that we show")
    client_key: Path | None = Field(default=None, description="private key of that certificate (PEM)")
    session_s: int = Field(
        default=604_800,
        ge=0,
        le=4_294_967_295,
        description="seconds for which the broker keeps messages while nobody listens",
    )
    in_flight: int = Field(
        default=1000, ge=1, le=65_535, description="messages that may be under way without an acknowledgement"
    )
    folder: Path | None = Field(
        default=None, description="folder where listeners keep what is their own; without, beside the database"
    )


class CollectSettings(Section):
    """How devices are read."""

    every_min: float = Field(default=15.0, gt=0, description="minutes between two readings of a device")
    look_back_days: float = Field(default=10.0, gt=0, description="how far back holes are looked for and read again")
    timeout_s: float = Field(default=5.0, gt=0, description="longest wait for a device's next word")
    together: int = Field(default=32, ge=1, description="conversations at once")
    per_gateway: int = Field(default=4, ge=1, description="conversations at once through one gateway")
    set_clock: bool = Field(default=True, description="whether a clock that has drifted is set")


class EditSettings(Section):
    """What one person may change in readings."""

    alone_kwh: float = Field(
        default=10.0,
        ge=0,
        description=(
            "energy that one person may move at one usage point by edits of energy or power, and by accepting what was "
            "rejected, in a month; more needs a second one"
        ),
    )


class VeeSettings(Section):
    """How readings are judged."""

    rules: Path | None = Field(default=None, description="file of rule groups (TOML) that go before the packaged ones")

    @property
    def source(self) -> str:
        """Return which file the rules are read from, empty for the packaged ones."""
        return str(self.rules.resolve()) if self.rules else ""


class ControlSettings(Section):
    """What remote control is allowed to do."""

    stale_after_h: float = Field(default=24.0, gt=0, description="a device silent for longer is not controlled")
    mass_limit: int = Field(default=10, ge=1, description="most disconnects in the window below")
    mass_window_min: float = Field(default=60.0, gt=0, description="window of that limit, in minutes")
    hours: tuple[int, int] | None = Field(
        default=None, description="local hours [first, last) in which a disconnect may be carried out"
    )


class WorkSettings(Section):
    """How often the server does what it does by itself."""

    controls_every_s: float = Field(default=1.0, gt=0, description="pause between looks for approved controls")
    collect_every_s: float = Field(default=30.0, gt=0, description="pause between looks for devices that are due")
    jobs_every_s: float = Field(default=1.0, gt=0, description="pause between looks for ordered jobs")
    events_every_s: float = Field(default=10.0, gt=0, description="pause between looks for events that begin or end")
    validate_every_s: float = Field(default=15.0, gt=0, description="pause between validations of what changed")
    outlooks_every_s: float = Field(default=900.0, gt=0, description="pause between forecasts, plans and balances")
    keep_outlooks_days: float = Field(
        default=35.0, gt=0, description="how long superseded forecasts and plans are kept"
    )


class ArchiveSettings(Section):
    """What becomes of old months."""

    to: str = Field(default="", description="folder or address of the archive; empty = nothing is archived by itself")
    after_months: int = Field(default=3, ge=1, description="whole months that pass before a month is archived")
    keep_months: int | None = Field(
        default=None, ge=3, description="months that stay in the database once archived; left out, all of them"
    )


class RetentionSettings(Section):
    """How long is kept what nobody may need any more; left out, for ever. What was billed or audited is always kept."""

    readings_months: int | None = Field(
        default=None, ge=13, description="whole months of which interval readings are kept; older ones go for good"
    )
    findings_days: float | None = Field(
        default=None, ge=30, description="how long findings are kept that resolved themselves"
    )
    quarantine_days: float | None = Field(
        default=None, ge=30, description="how long readings of unknown meters wait, and are kept once claimed"
    )
    files_days: float | None = Field(
        default=None, ge=1, description="how long a watched folder keeps the files in done and failed"
    )
    rejected_days: float | None = Field(
        default=None, ge=1, description="how long an edge keeps the records that the centre refused"
    )


class BackupSettings(Section):
    """Where backups are, and how old the newest may be."""

    to: str = Field(default="", description="folder of the backups")
    max_age_h: float = Field(default=26.0, gt=0, description="age of the newest backup from which doctor warns")


class EdgeSettings(Section):
    """An edge: takes readings where they arise, and keeps them until the centre has them."""

    name: str = Field(default="", max_length=120, description="what the centre calls it; without, the machine's name")
    to: str = Field(default="", description="address of the centre, such as https://grid.example:8443")
    key_file: Path | None = Field(default=None, description="file with the API key that the centre knows the edge by")
    folder: Path = Field(default=Path("edge"), description="folder of the buffer")
    encrypt: bool = Field(default=True, description="whether what the buffer keeps is encrypted")
    secret_key: Path | None = Field(
        default=None, repr=False, description="file of the master key of the buffer; made in its folder"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 = every network")
    port: int = Field(default=8090, ge=0, le=65_535, description="TCP port; 0 = any free one")
    device_keys: Path | None = Field(default=None, description="file with the keys that devices show, one a line")
    anyone: bool = Field(default=False, description="whether other machines may send without a key")
    limit_mb: int = Field(default=1024, ge=1, description="most that the buffer holds, in MiB")
    on_full: Literal["refuse", "drop-oldest"] = Field(
        default="refuse", description="when it is full: refuse new readings, or drop the oldest, which is told"
    )
    ca_file: Path | None = Field(default=None, description="certificates (PEM) that the centre's is checked against")
    client_cert: Path | None = Field(default=None, description="certificate (PEM) that the edge shows the centre")
    client_key: Path | None = Field(default=None, description="private key of that certificate (PEM)")
    heartbeat_s: float = Field(default=30.0, gt=0, description="how often an edge without news says it is there")
    retry_s: float = Field(default=60.0, gt=0, description="longest pause between two tries to reach the centre")
    clock_limit_s: float = Field(
        default=2.0, gt=0, description="difference to the centre's clock up to which the edge's own counts as right"
    )


class LogSettings(Section):
    """What is told about the work, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="warning", description="least severity shown")
    json_lines: bool = Field(default=False, description="one JSON object a line, for machines")


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    store: StoreSettings = StoreSettings()
    site: SiteSettings = SiteSettings()
    billing: BillingSettings = BillingSettings()
    report: ReportSettings = ReportSettings()
    server: ServerSettings = ServerSettings()
    line_protocol: LineProtocolSettings = LineProtocolSettings()
    mqtt: MqttSettings = MqttSettings()
    collect: CollectSettings = CollectSettings()
    edits: EditSettings = EditSettings()
    vee: VeeSettings = VeeSettings()
    control: ControlSettings = ControlSettings()
    work: WorkSettings = WorkSettings()
    archive: ArchiveSettings = ArchiveSettings()
    retention: RetentionSettings = RetentionSettings()
    backup: BackupSettings = BackupSettings()
    edge: EdgeSettings = EdgeSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env files: one file is enough
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take explicit values first, then the environment, mounted secrets, and the file."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=_current_file)
        return (init_settings, env_settings, file_secret_settings, file)


# pydantic-settings builds its sources inside the class: the file to read is handed over here.
_current_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as `config show` prints it: name, value and where the value came from."""

    name: str
    value: Any
    origin: str
    description: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings together with the file they came from and the origin of each value."""

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]

    def in_folder(self, folder: Path | None) -> Loaded:
        """Return the settings with the database and the secret key in `folder`; what is set explicitly stays."""
        chosen = {"url": f"{folder}/", "secret_key": None if folder is None else folder / "secret.key"}
        named = {name: value for name, value in chosen.items() if f"store.{name}" not in self.origins}
        if folder is None or not named:
            return self
        store = self.settings.store.model_copy(update=named)
        origins = {**self.origins, **{f"store.{name}": "--data" for name in named}}
        return Loaded(self.settings.model_copy(update={"store": store}), self.file, origins)

    def rows(self) -> Iterator[Setting]:
        """Yield every setting with value, origin and description."""
        for section, model in _sections():
            for key, field in model.model_fields.items():
                name = f"{section}.{key}"
                value = getattr(getattr(self.settings, section), key)
                yield Setting(name, value, self.origins.get(name, "default"), field.description or "")


def load_settings(path: Path | str | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read settings from `path` (else $GRIDWRIGHT_CONFIG, else ./gridwright.toml if it exists) and the environment.

    A missing named file, an unknown key or an impossible value is a ConfigError that names key, value and remedy.
    """
    env = os.environ if environment is None else environment
    file = _find_file(path, env)
    table = _read_table(file)
    origins = dict(_file_origins(table, file)) | dict(_environment_origins(env))
    return Loaded(_build(file), file, origins)


def _find_file(path: Path | str | None, env: Mapping[str, str]) -> Path | None:
    named = path or env.get("GRIDWRIGHT_CONFIG")
    if named is None:
        return Path(FILE_NAME) if Path(FILE_NAME).is_file() else None
    if not Path(named).is_file():
        raise ConfigError(f"settings file {str(named)!r} does not exist", remedy="create it, or leave the option out")
    return Path(named)


def _read_table(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"not a TOML file: {error}", where=str(file), remedy="see docs/reference/settings.md"
        ) from error


def _build(file: Path | None) -> Settings:
    global _current_file  # noqa: PLW0603 - the one hand-over to pydantic-settings, see above
    _current_file = file
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        # The address of the store may hold a password.
        shown = "…" if name == "store.url" else repr(first["input"])
        raise ConfigError(
            f"{name} = {shown}: {first['msg']}",
            where=str(file or "environment"),
            remedy="see docs/reference/settings.md",
        ) from error
    finally:
        _current_file = None


def _sections() -> Iterator[tuple[str, type[Section]]]:
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield name, field.annotation


def names() -> list[str]:
    """List every setting as `section.key`."""
    return [f"{section}.{key}" for section, model in _sections() for key in model.model_fields]


def _file_origins(table: Mapping[str, Any], file: Path | None) -> Iterator[tuple[str, str]]:
    for section, content in table.items():
        keys = content if isinstance(content, dict) else {"": None}
        for key in keys:
            name = f"{section}.{key}" if key else section
            yield _known(name, name, str(file)), str(file)


def _environment_origins(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable in env:
        if variable.startswith(PREFIX) and not variable.startswith(NO_SETTINGS):
            name = variable.removeprefix(PREFIX).lower().replace("__", ".")
            yield _known(name, variable, "environment"), variable


def _known(name: str, shown: str, where: str) -> str:
    every = names()
    if name in every:
        return name
    near = get_close_matches(name, every, n=1, cutoff=0.5)
    as_shown = (lambda key: PREFIX + key.upper().replace(".", "__")) if shown.startswith(PREFIX) else str
    remedy = f"did you mean {as_shown(near[0])}?" if near else f"known: {', '.join(map(as_shown, every))}"
    raise ConfigError(f"unknown setting {shown!r}", where=where, remedy=remedy)
