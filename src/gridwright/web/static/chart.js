// Charts of a page's JSON twin: the colours are the style sheet's, the times those of the usage point's own zone.

/** @typedef {{label: string, values: (number|null)[], stroke: string, fill?: string, dash?: number[], width?: number}} Line */
/** @typedef {{t: number[], lines: Line[], bands?: {series: [number, number], fill: string}[], zone: string, end?: number}} Drawn */

/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** @param {string} start @param {number} step @param {number} count */
const times = (start, step, count) => Array.from({ length: count }, (_, at) => Date.parse(start) / 1000 + at * step);

/** @type {Record<string, (data: any) => Drawn>} */
const kinds = {
  fleet(data) {
    const fleet = data.fleet;
    return {
      t: times(fleet.start, fleet.interval_s, fleet.load_kw.length),
      zone: fleet.zone ?? "UTC",
      lines: [
        { label: "Load, kW", values: fleet.load_kw, stroke: colour("load"), width: 2 },
        { label: "Forecast, kW", values: fleet.forecast_kw, stroke: colour("delivered"), dash: [6, 4] },
        { label: "Low, kW", values: fleet.lower_kw, stroke: "transparent" },
        { label: "High, kW", values: fleet.upper_kw, stroke: "transparent" },
      ],
      bands: [{ series: [4, 3], fill: `${colour("delivered")}30` }],
    };
  },
  point(data) {
    const lines = [{ label: "Delivered, kW", values: data.kw, stroke: colour("delivered"), width: 1.6 }];
    const bands = [];
    if (data.max_kw) {
      lines.push({ label: "Lowest, kW", values: data.min_kw, stroke: "transparent" });
      lines.push({ label: "Highest, kW", values: data.max_kw, stroke: "transparent" });
      bands.push({ series: /** @type {[number, number]} */ ([3, 2]), fill: `${colour("delivered")}40` });
    }
    const found = { t: data.t, zone: data.zone, lines, bands, end: data.t[data.t.length - 1] };
    if (data.before_kw) lines.push(/** @type {any} */ ({ label: "Before, kW", values: data.before_kw, stroke: colour("before"), dash: [2, 3] }));
    if (!data.max_kw) overlay(found, data.forecast, "Forecast, kW", "mean_kw", "load", 1);
    if (!data.max_kw) overlay(found, data.plan, "Battery, kW (charges below 0)", "discharge_kw", "discharge", 1, "charge_kw");
    return found;
  },
  event(data) {
    const column = (/** @type {string} */ name) => data.steps.map((/** @type {any} */ step) => step[name]);
    return {
      t: column("start").map((/** @type {string} */ start) => Date.parse(start) / 1000),
      zone: data.zone,
      lines: [
        { label: "Baseline, kW", values: column("baseline_kw"), stroke: colour("load"), dash: [6, 4] },
        { label: "Used, kW", values: column("actual_kw"), stroke: colour("delivered"), width: 2 },
      ],
    };
  },
};

/**
 * Lay what was issued over the chart, where it falls; the time beyond the readings is added when it is near.
 * @param {Drawn} drawn @param {any} issued @param {string} label @param {string} name @param {string} ink
 * @param {number} sign @param {string} [less] what is drawn below zero
 */
function overlay(drawn, issued, label, name, ink, sign, less) {
  if (!issued || drawn.t.length === 0) return;
  const value = new Map(times(issued.start, issued.interval_s, issued[name].length).map((at, index) => [
    at, sign * issued[name][index] - (less ? issued[less][index] : 0),
  ]));
  const last = drawn.t[drawn.t.length - 1];
  const first = drawn.t[0];
  const newer = [...value.keys()].filter((at) => at > last && at - last < 3 * 86400);
  if (![...value.keys()].some((at) => at >= first && at <= last) && newer[0] - last > 86400) return;
  drawn.t = [...drawn.t, ...newer];
  for (const line of drawn.lines) line.values = [...line.values, ...newer.map(() => null)];
  drawn.lines.push({ label, values: drawn.t.map((at) => value.get(at) ?? null), stroke: colour(ink), dash: [6, 4] });
}

/** @param {string} address of uPlot's module */
export async function drawCharts(address) {
  const places = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-chart]")]);
  if (places.length === 0 || !address) return;
  const { default: UPlot } = await import(address);
  await Promise.all(places.map((place) => draw(UPlot, place)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => places.forEach((place) => draw(UPlot, place)));
}

/**
 * Tell a time by the clock of a zone: midnight by its day, in full for the pointer.
 * @param {string} zone @returns {(at: number, shape: "short"|"full") => string}
 */
function clockOf(zone) {
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" });
  const hour = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  return (at, shape) => {
    const time = hour.format(at * 1000);
    if (shape === "full") return `${day.format(at * 1000)}, ${time}`;
    return time === "00:00" ? day.format(at * 1000) : time;
  };
}

/**
 * Lay the ribbon of qualities under the very times it tells of, also after a zoom.
 * @param {any} plot @param {HTMLElement} place @param {number} end where the days of the ribbon end
 */
function alignRibbon(plot, place, end) {
  const ribbon = /** @type {SVGElement|null} */ (place.parentElement?.querySelector(".ribbon") ?? null);
  if (!ribbon || !end) return;
  const left = plot.bbox.left / devicePixelRatio;
  const from = plot.valToPos(plot.data[0][0], "x");
  const to = plot.valToPos(end, "x");
  const whole = from >= -1 && to <= plot.bbox.width / devicePixelRatio + 1;
  ribbon.style.visibility = whole ? "visible" : "hidden";
  ribbon.style.marginLeft = `${left + Math.max(0, from)}px`;
  ribbon.style.width = `${Math.max(1, to - from)}px`;
}

/** @param {any} UPlot @param {HTMLElement} place */
async function draw(UPlot, place) {
  const answer = await fetch(place.dataset.src ?? "", { headers: { Accept: "application/json" } });
  if (!answer.ok) {
    place.textContent = "The chart's figures could not be loaded. Load the page again.";
    return;
  }
  const drawn = kinds[place.dataset.chart ?? ""](await answer.json());
  const readings = drawn.end ?? 0;
  const clock = clockOf(drawn.zone);
  place.replaceChildren();
  const axis = { stroke: colour("soft"), grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("rule"), width: 1 } };
  const size = () => ({ width: Math.max(280, place.clientWidth), height: 280 });
  const plot = new UPlot({
    ...size(),
    tzDate: (/** @type {number} */ at) => UPlot.tzDate(new Date(at * 1000), drawn.zone),
    series: [{ label: `Time, ${drawn.zone}`, value: (/** @type {any} */ _, /** @type {number|null} */ at) => (at === null ? "–" : clock(at, "full")) }, ...drawn.lines.map(({ label, stroke, dash, width = 1.5 }) => ({ label, stroke, dash, width, points: { show: false } }))],
    bands: drawn.bands ?? [],
    axes: [{ ...axis, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((each) => clock(each, "short")) }, { ...axis, size: 56 }],
    hooks: { draw: [(/** @type {any} */ made) => alignRibbon(made, place, readings)] },
    cursor: { drag: { x: true, y: false } },
  }, [drawn.t, ...drawn.lines.map((line) => line.values)], place);
  place.dataset.drawn = "yes";
  new ResizeObserver(() => plot.setSize(size())).observe(place);
}
