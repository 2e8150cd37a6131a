"use strict";
// Sorts a table by a column; what has no number stays last in both directions.
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
    // High figures are looked for first, names from A.
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
  // What is folded is printed, too; settings in full are not.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open]):not(.bulk)"));
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
})();
