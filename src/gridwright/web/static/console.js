// What a page does beyond HTML: charts of its JSON twins, and keys for its work lists.

import { drawCharts } from "./chart.js";
import { listenForKeys } from "./keys.js";

const script = /** @type {HTMLScriptElement|null} */ (document.querySelector("script[data-uplot]"));
drawCharts(script?.dataset.uplot ?? "");
listenForKeys();
