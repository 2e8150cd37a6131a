// Tables sort by a click on a heading: first upwards, then downwards.
function sortKey(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value === undefined) return cell.textContent;
  return cell.dataset.value === "" ? NaN : parseFloat(cell.dataset.value);
}

function compare(first, second) {
  if (typeof first === "string" || typeof second === "string") {
    return String(first).localeCompare(String(second));
  }
  return first - second;
}

function sortBy(table, head, column) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  const known = rows.filter((row) => !Number.isNaN(sortKey(row, column)));
  const rest = rows.filter((row) => !known.includes(row));
  known.sort((a, b) => compare(sortKey(a, column), sortKey(b, column)));
  if (down) known.reverse();
  table.tBodies[0].append(...known, ...rest);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = head.querySelector("button");
    button.addEventListener("click", () => sortBy(table, head, column));
  });
}
