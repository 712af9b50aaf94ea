"""Can the data be trusted: what was measured, what was estimated and how, what is missing, and what rules doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gridwright.analytics import Ribbon
from gridwright.documents.report_data import PointResult
from gridwright.documents.report_reading import left_out
from gridwright.documents.report_text import counted, local, share
from gridwright.documents.report_views import FindingRow, FindingsView, Rows
from gridwright.domain import quality as q
from gridwright.domain.finding import Finding, Severity

FINDINGS_SHOWN = 200
STRETCHES_SHOWN = 100
ORDER = (Severity.FAIL, Severity.WARN, Severity.INFO)
METHODS = {
    q.Method.NONE: "by the sender",
    q.Method.CHECK_METER: "from a check meter",
    q.Method.LINEAR: "along a straight line",
    q.Method.LIKE_DAY: "from like days",
    q.Method.MULTI_WEEK: "from the same hours of other weeks",
    q.Method.BLEND: "from like days and the same hours of other weeks",
    q.Method.PROFILE: "from a standard profile",
    q.Method.ZERO: "as zero",
    q.Method.SCALED: "scaled to the registers",
    q.Method.SCALAR: "from average daily use",
    q.Method.AGREED: "as agreed",
    q.Method.REGISTER: "from estimated register reads",
}


def trust_text(result: PointResult) -> str:
    """Say in sentences what the values are made of."""
    totals = result.analysis.ribbon.totals
    slots = sum(totals.values())
    if not slots:
        return "There is no interval to judge."
    good = totals["measured"] + totals["edited"]
    parts = [f"Of {counted(slots, 'interval')} {good:,} ({share(good, slots)}) were measured."]
    if good == slots:
        return f"All {counted(slots, 'interval')} were measured, and no rule rejected any."
    parts += [_losses(result), _estimates(result, totals["estimated"])]
    gaps = totals["missing"] + totals["rejected"]
    if gaps:
        parts.append(f"{gaps:,} ({share(gaps, slots)}) stay without a value: nothing nearby is good enough.")
    return " ".join(part for part in parts if part)


def _losses(result: PointResult) -> str:
    raw, quality = result.raw, result.trusted.quality
    if raw.values.shape != quality.shape:
        return ""
    lost = q.has_status(quality, (*q.ESTIMATES, *q.GAPS))
    absent, refused = int((lost & raw.missing).sum()), int((lost & ~raw.missing).sum())
    known = [f"{absent:,} had no value in the file"] if absent else []
    known += [f"{refused:,} had one that is rejected or already an estimate"] if refused else []
    return f"{' and '.join(known)}." if known else ""


def _estimates(result: PointResult, estimated: int) -> str:
    if not estimated:
        return ""
    quality = result.trusted.quality[0]
    methods = q.method_of(quality[q.has_status(quality, q.ESTIMATES)])
    counts = sorted(Counter(methods.tolist()).items(), key=lambda item: -item[1])
    how = ", ".join(f"{count:,} {METHODS[q.Method(method)]}" for method, count in counts if method in set(q.Method))
    return f"{counted(estimated, 'interval')} {'is' if estimated == 1 else 'are'} estimated: {how}."


def stretches(ribbon: Ribbon, zone: ZoneInfo) -> Rows | None:
    """List every stretch that was not measured."""
    if not ribbon.runs:
        return None
    rows = tuple(
        (local(run.period.start, zone), local(run.period.end, zone), run.name, f"{run.slots:,}")
        for run in ribbon.runs[:STRETCHES_SHOWN]
    )
    note = left_out(len(ribbon.runs), STRETCHES_SHOWN, "stretch").replace("stretchs", "stretches")
    return Rows(("from", "to", "quality", "intervals"), rows, note=note)


def findings_view(findings: Sequence[Finding], zone: ZoneInfo) -> FindingsView:
    """Count the doubts by rule, worst first, and list the first ones in the order of time."""
    if not findings:
        return FindingsView("No rule has a doubt.", Rows((), ()), ())
    kinds = Counter((finding.code, finding.severity) for finding in findings)
    text = ", ".join(
        f"{severity} {count:,} ({name})"
        for severity, name in zip(ORDER, ("no value to use", "worth a look", "good to know"), strict=True)
        if (count := sum(n for (_, own), n in kinds.items() if own is severity))
    )
    listed = sorted(findings, key=lambda finding: (finding.period.start, finding.code))[:FINDINGS_SHOWN]
    return FindingsView(
        text=f"{counted(len(findings), 'finding')}: {text}.",
        by_code=_by_code(findings, kinds, zone),
        listed=tuple(FindingRow(f.code, str(f.severity), local(f.period.start, zone), f.message) for f in listed),
        note=left_out(len(findings), FINDINGS_SHOWN, "finding"),
    )


def _by_code(findings: Sequence[Finding], kinds: Counter[tuple[str, Severity]], zone: ZoneInfo) -> Rows:
    order = sorted(kinds, key=lambda kind: (ORDER.index(kind[1]), -kinds[kind], kind[0]))
    slots: Counter[tuple[str, Severity]] = Counter()
    starts: dict[tuple[str, Severity], datetime] = {}
    ends: dict[tuple[str, Severity], datetime] = {}
    for f in findings:
        kind = (f.code, f.severity)
        slots[kind] += f.slots
        starts[kind] = min(starts.get(kind, f.period.start), f.period.start)
        ends[kind] = max(ends.get(kind, f.period.end), f.period.end)
    rows = tuple(
        (
            code,
            str(severity),
            f"{kinds[code, severity]:,}",
            f"{slots[code, severity]:,}" if slots[code, severity] else "–",
            local(starts[code, severity], zone),
            local(ends[code, severity], zone),
        )
        for code, severity in order
    )
    return Rows(("rule", "severity", "findings", "intervals", "first from", "last to"), rows)
