"use strict";
// Filters and sorts the table of claims, and unfolds what is looked for. Everything on the page is there without it.
(() => {
  const sections = [...document.querySelectorAll(".claim > details")];
  const unfold = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const section = place?.closest("details");
    if (!section) return;
    section.open = true;
    place.scrollIntoView();
  };
  window.addEventListener("hashchange", unfold);
  window.addEventListener("beforeprint", () => sections.forEach((section) => (section.open = true)));
  unfold();

  const table = document.querySelector("table.claims");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];

  const bar = document.createElement("form");
  bar.className = "filter";
  bar.setAttribute("role", "search");
  const field = (label, control) => {
    const wrap = document.createElement("label");
    wrap.append(label, control);
    bar.append(wrap);
    return control;
  };
  const text = field("Filter", Object.assign(document.createElement("input"), { type: "search", id: "filter-text" }));
  const verdict = field("Verdict", Object.assign(document.createElement("select"), { id: "filter-verdict" }));
  const verdicts = [...new Set(rows.map((row) => row.cells[1].textContent))];
  for (const name of ["all", ...verdicts]) verdict.append(new Option(name, name === "all" ? "" : name));
  const count = document.createElement("output");
  const fold = Object.assign(document.createElement("button"), { type: "button", className: "fold" });
  const folded = () => sections.some((section) => !section.open);
  const name = () => (fold.textContent = folded() ? "Unfold all claims" : "Fold all claims");
  fold.addEventListener("click", () => {
    const open = folded();
    sections.forEach((section) => (section.open = open));
    name();
  });
  name();
  bar.append(count, fold);

  const show = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      const fits = (!verdict.value || row.cells[1].textContent === verdict.value) && words.every((w) => content.includes(w));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.value = `${shown} of ${rows.length}`;
  };
  bar.addEventListener("input", show);
  bar.addEventListener("submit", (event) => event.preventDefault());
  table.closest(".scroll").before(bar);

  const head = [...table.tHead.rows[0].cells];
  head.forEach((th, k) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: th.textContent });
    th.replaceChildren(button);
    const key = (row) => {
      const { textContent, dataset } = row.cells[k];
      // Claims in the order of the paper, numbers by their value, the rest by its text; what has no number comes last.
      if (k === 0) return rows.indexOf(row);
      if (th.classList.contains("n")) return dataset.value === "" ? Infinity : Number(dataset.value);
      return textContent.trim();
    };
    button.addEventListener("click", () => {
      const down = th.getAttribute("aria-sort") === "ascending";
      head.forEach((other) => other.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
      const sorted = rows.map((row) => [key(row), row]).sort(([a], [b]) => (down ? order(b, a) : order(a, b)));
      body.append(...sorted.map(([, row]) => row));
    });
  });
  show();
})();
