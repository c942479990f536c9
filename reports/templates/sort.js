"use strict";
// Tables whose headings sort their rows: by number where the cells are numbers, by text elsewhere.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const first = [...body.rows];
  const key = (row, place) => {
    const cell = row.cells[place];
    const text = (cell.dataset.value || cell.firstChild && cell.firstChild.textContent || "").trim();
    const number = parseFloat(text.replace(/\u2212/g, "-").replace(/[,+%<>]/g, ""));
    return [Number.isNaN(number) ? null : number, cell.textContent.trim()];
  };
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const place = head.cellIndex;
      const up = head.getAttribute("aria-sort") === "descending" || (!head.hasAttribute("aria-sort") && place === 0);
      const keys = new Map(first.map((row) => [row, key(row, place)]));
      const numeric = [...keys.values()].some(([number]) => number !== null) && place > 0;
      const sorted = [...first].sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (!numeric) return x[1].localeCompare(y[1]) * (up ? 1 : -1);
        if (x[0] === null || y[0] === null) return (x[0] === null) - (y[0] === null);
        return (x[0] - y[0]) * (up ? 1 : -1);
      });
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...sorted);
    });
  }
}
