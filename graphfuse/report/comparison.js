"use strict";
// A click on a column's head sorts the table by it, over all stages; everything else works without this.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const bodies = [...table.tBodies];
  const homes = bodies.map((body) => [...body.rows]);
  const heads = [...table.tHead.rows[0].cells].filter((head) => head.dataset.sort);
  const restore = document.getElementById(table.dataset.sortable);
  const mark = (chosen, direction) => {
    for (const head of heads) head.setAttribute("aria-sort", head === chosen ? direction : "none");
    table.classList.toggle("sorted", Boolean(chosen));
    if (restore) restore.hidden = !chosen;
  };
  const key = (row, column) => {
    const value = row.cells[column].dataset.value;
    return value === undefined || value === "" ? null : Number.isNaN(Number(value)) ? value : Number(value);
  };
  const sort = (head) => {
    const first = head.dataset.sort;
    const direction = head.getAttribute("aria-sort") === first ? (first === "ascending" ? "descending" : "ascending") : first;
    const sign = direction === "ascending" ? 1 : -1;
    const column = head.cellIndex;
    const rows = homes.flat().filter((row) => !row.classList.contains("head"));
    rows.sort((a, b) => {
      const [left, right] = [key(a, column), key(b, column)];
      if (left === null || right === null) return (left === null) - (right === null); // what has no value comes last either way
      return sign * (left < right ? -1 : left > right ? 1 : 0);
    });
    bodies[0].append(...rows);
    mark(head, direction);
  };
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(head));
  }
  if (restore)
    restore.addEventListener("click", () => {
      bodies.forEach((body, place) => body.append(...homes[place]));
      mark(null, "none");
    });
}
