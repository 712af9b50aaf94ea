// j and k walk along the rows of a work list; x selects, a selects all, Enter opens, r goes to the reason.

/** Listen for the keys, unless somebody is writing. */
export function listenForKeys() {
  const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-row]")]);
  if (rows.length === 0) return;
  let at = -1;

  /** @param {number} next */
  const go = (next) => {
    rows[at]?.classList.remove("here");
    at = Math.max(0, Math.min(rows.length - 1, next));
    rows[at].classList.add("here");
    rows[at].scrollIntoView({ block: "nearest" });
    /** @type {HTMLElement|null} */ (rows[at].querySelector("[data-open]"))?.focus({ preventScroll: true });
  };

  /** @param {HTMLElement|undefined} row */
  const box = (row) => /** @type {HTMLInputElement|null} */ (row?.querySelector("input[type=checkbox]") ?? null);

  /** @type {Record<string, () => void>} */
  const acts = {
    j: () => go(at + 1),
    k: () => go(at - 1),
    x: () => box(rows[at])?.click(),
    a: () => {
      const boxes = rows.map(box).filter((each) => each !== null);
      const all = boxes.every((each) => each.checked);
      for (const each of boxes) each.checked = !all;
    },
    r: () => /** @type {HTMLElement|null} */ (document.querySelector("input[name=reason]"))?.focus(),
  };

  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const writing = target.matches("input:not([type=checkbox]), select, textarea");
    if (event.key === "Escape" && writing) target.blur();
    if (writing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  });
}
