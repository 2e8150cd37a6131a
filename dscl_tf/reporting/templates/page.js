"use strict";
// Sorts a table by a column; cells without a number stay last in both directions.
(function () {
  function key(row, column, numeric) {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent.trim();
    return cell.dataset.sort === "" ? NaN : Number(cell.dataset.sort);
  }
  function compare(a, b, sign) {
    if (typeof a === "string") return sign * a.localeCompare(b, undefined, { numeric: true });
    if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b);
    return sign * (a - b);
  }
  function sort(table, head, column) {
    const numeric = head.classList.contains("num");
    const before = head.getAttribute("aria-sort");
    // Readers look for the highest figures first, and for names from A on.
    const first = numeric ? "descending" : "ascending";
    const other = numeric ? "ascending" : "descending";
    const order = before === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    for (const each of table.tHead.rows[0].cells) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const rows = Array.from(table.tBodies[0].rows).map(row => [key(row, column, numeric), row]);
    rows.sort((a, b) => compare(a[0], b[0], sign));
    table.tBodies[0].append(...rows.map(pair => pair[1]));
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => sort(table, head, column));
    });
  }
})();
// Draws the charts in the colours of the style, folded ones when they are unfolded.
(function () {
  const PAPER = 330;  // Pixels; two charts side by side fit on a page.
  const root = document.documentElement;
  const charts = Array.from(document.querySelectorAll("[data-figure]"));
  const figures = new Map(charts.map(chart => [chart, JSON.parse(chart.dataset.figure)]));
  const config = { displaylogo: false, displayModeBar: false, responsive: true, doubleClick: "reset" };
  function color(name) {
    return getComputedStyle(root).getPropertyValue(name).trim();
  }
  function template() {
    const axis = {
      color: color("--soft"), gridcolor: color("--rule"), linecolor: color("--soft"),
      showline: true, zeroline: false, automargin: true, nticks: 7,
      title: { font: { color: color("--ink") }, standoff: 8 },
    };
    const hover = { bgcolor: color("--raised"), bordercolor: color("--soft") };
    return { layout: {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("--ink") },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest",
      xaxis: { ...axis, showgrid: false }, yaxis: axis, margin: { l: 8, r: 12, t: 8 },
      hoverlabel: { ...hover, font: { color: color("--ink") }, namelength: -1 },
      legend: { x: 0, xanchor: "left", yanchor: "top", bgcolor: "rgba(0,0,0,0)", font: { size: 11 } },
      // On touch screens, a finger that moves over a chart scrolls the page.
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    } };
  }
  // Replaces names of the style's variables in a figure by their values.
  function colored(value, key) {
    if (Array.isArray(value)) return value.map(each => colored(each, key));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, colored(v, k)]));
    const isName = key.endsWith("color") && /^var\(.*\)$/.test(value);
    return isName ? color(value.slice(4, -1)) : value;
  }
  function draw(chart, width) {
    if (!chart.offsetWidth) return;  // Folded: drawn when unfolded.
    const { data, layout } = figures.get(chart);
    const size = width ? { width, autosize: false } : { autosize: true };
    return Plotly.react(
      chart, colored(data, ""), { ...colored(layout, ""), ...size, template: template() }, config);
  }
  function drawn() {
    return charts.filter(chart => chart.classList.contains("js-plotly-plot"));
  }
  async function drawAll() {
    for (const chart of charts) {
      if (!chart.classList.contains("js-plotly-plot")) await draw(chart);
      // Lets the browser show this chart before the others are drawn.
      await new Promise(done => setTimeout(done));
    }
    root.dataset.charts = "drawn";
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener(
    "change", () => drawn().forEach(chart => draw(chart)));
  // Captured, since "toggle" does not bubble.
  document.addEventListener("toggle", event => {
    if (event.target.open)
      charts.filter(chart => event.target.contains(chart)).forEach(chart => draw(chart));
  }, true);
  // Unfolds all parts for printing, except the full settings.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open]):not(.bulk)"));
    for (const each of opened) each.open = true;
    root.classList.add("printing");
    for (const chart of charts) draw(chart, PAPER);
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    for (const chart of drawn()) draw(chart);
    for (const each of opened) each.open = false;
  });
  document.getElementById("help").hidden = !charts.length;
  drawAll();
})();
