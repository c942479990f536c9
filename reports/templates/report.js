"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const T = data.texts;
  const at = Object.fromEntries(data.fields.map((name, place) => [name, place]));
  const STEP = 100;
  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) if (value !== null && value !== false) node.setAttribute(key, value);
    for (const child of children) if (child !== null && child !== "") node.append(child);
    return node;
  };
  const drawn = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const points = (value) => (value === null ? "–" : (Math.abs(value) < 0.0005 ? 0 : value * 100).toFixed(1).replace("-", "−"));
  const signed = (value) => (value !== null && value >= 0.0005 ? "+" : "") + points(value);
  const share = (value) => {
    if (value === null) return "–";
    if (value > 0 && value < 0.001) return "<0.1%";
    if (value > 0.99 && value < 1) return ">99%";
    return (value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0) + "%";
  };
  const breakable = (id) => {
    const end = id.indexOf("/") + 1;
    return [id.slice(0, end), make("wbr"), id.slice(end)];
  };
  const relation = (name) => make("span", { class: "seen seen-" + name }, name);
  const bar = (parts) => {
    const svg = drawn("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
    svg.append(drawn("line", { class: "axis", x1: 0, x2: 100, y1: 5, y2: 5 }));
    for (const part of parts) svg.append(drawn("rect", part));
    return svg;
  };
  const intervalBar = (low, value, high) => {
    if (value === null) return "";
    const parts = [];
    if (low !== null && high !== null) parts.push({ class: "ci", x: low * 100, y: 3, width: Math.max(high - low, 0.004) * 100, height: 4 });
    parts.push({ class: "at", x: value * 100 - 0.75, y: 0, width: 1.5, height: 10 });
    return bar(parts);
  };

  // The table of phrasings: sorted and filtered over all rows, shown a hundred at a time.
  const table = document.getElementById("phrasing-table");
  const body = table.tBodies[0];
  const filters = document.getElementById("filters");
  const count = document.getElementById("phrasing-count");
  const more = document.getElementById("more-phrasings");
  const textual = new Set(["text", "task", "source", "seen"]);
  const sorting = { key: "share", up: false };
  let kept = [];
  let shown = 0;

  const options = (select, values) => {
    for (const value of values) select.append(make("option", { value }, value));
  };
  for (const name of ["task", "seen", "source"]) {
    options(filters.elements[name], [...new Set(data.rows.map((row) => T[row[at[name]]]))].sort());
  }
  const note = (row) => {
    const parts = [T[row[at.id]]];
    if (!["", "none"].includes(T[row[at.layout]])) parts.push(T[row[at.layout]] + ", " + T[row[at.label_space]]);
    if (T[row[at.kind]] !== "correct") parts.push(T[row[at.kind]]);
    if (T[row[at.perturbation]]) parts.push(T[row[at.perturbation]]);
    if (T[row[at.dimensions]]) parts.push(T[row[at.dimensions]]);
    if (T[row[at.meaning]] === "doubtful") parts.push("doubtful meaning");
    return parts.join(" · ");
  };
  const line = (row) => {
    const interval = row[at.low] === null ? "" : " [" + points(row[at.low]) + ", " + points(row[at.high]) + "]";
    return make("tr", {},
      make("td", { class: "text", dir: "auto" }, T[row[at.text]] || T[row[at.id]], " ", make("span", { class: "id" }, note(row))),
      make("td", {}, points(row[at.score]), make("span", { class: "ci-text" }, interval), intervalBar(row[at.low], row[at.score], row[at.high])),
      make("td", {}, signed(row[at.deviation])),
      make("td", {}, share(row[at.share])),
      make("td", {}, share(row[at.unparsed]), row[at.by_format] ? " " : "", row[at.by_format] ? make("span", { class: "flag" }, "format") : ""),
      make("td", {}, relation(T[row[at.seen]])),
      make("td", { class: "name", dir: "auto" }, ...breakable(T[row[at.task]])),
      make("td", { class: "name", dir: "auto" }, T[row[at.source]]),
      make("td", {}, String(row[at.n])));
  };
  const showMore = () => {
    const part = document.createDocumentFragment();
    const end = Math.min(kept.length, shown + STEP);
    for (; shown < end; shown++) part.append(line(kept[shown]));
    body.append(part);
    more.hidden = shown >= kept.length;
    count.textContent = shown.toLocaleString("en") + " of " + kept.length.toLocaleString("en") + " matching phrasings shown (" + data.rows.length.toLocaleString("en") + " in all, counted per task).";
  };
  const compare = (a, b) => {
    const x = a[at[sorting.key]];
    const y = b[at[sorting.key]];
    if (textual.has(sorting.key)) return (T[x] < T[y] ? -1 : T[x] > T[y] ? 1 : 0) * (sorting.up ? 1 : -1);
    if (x === null || y === null) return (x === null) - (y === null);
    return (x - y) * (sorting.up ? 1 : -1);
  };
  const refresh = () => {
    const wanted = Object.fromEntries(["task", "seen", "source"].map((name) => [name, filters.elements[name].value]));
    const words = filters.elements.text.value.toLowerCase();
    kept = data.rows.filter((row) =>
      ["task", "seen", "source"].every((name) => !wanted[name] || T[row[at[name]]] === wanted[name]) &&
      (!words || T[row[at.text]].toLowerCase().includes(words) || T[row[at.id]].toLowerCase().includes(words)) &&
      (!filters.elements.format.checked || row[at.by_format]) &&
      (!filters.elements.doubtful.checked || T[row[at.meaning]] !== "doubtful"));
    kept.sort(compare);
    shown = 0;
    body.replaceChildren();
    showMore();
  };
  for (const head of table.tHead.rows[0].cells) {
    const key = head.dataset.key;
    const button = make("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      sorting.up = sorting.key === key ? !sorting.up : textual.has(key) || key === "score";
      sorting.key = key;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sorting.up ? "ascending" : "descending");
      refresh();
    });
    if (key === sorting.key) head.setAttribute("aria-sort", "descending");
  }
  filters.hidden = false;
  filters.addEventListener("input", refresh);
  filters.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", showMore);
  refresh();

  // A place in the page with what is to be shown there: #phrasings?task=...&phrasing=...
  const followed = () => {
    const [name, query] = location.hash.slice(1).split("?");
    if (name !== "phrasings" || !query) return;
    const wanted = new URLSearchParams(query);
    filters.reset();
    filters.elements.task.value = wanted.get("task") || "";
    filters.elements.text.value = wanted.get("phrasing") || "";
    refresh();
    document.getElementById(name).scrollIntoView();
  };
  addEventListener("hashchange", followed);

  // The flip explorer: one instance at a time, under its best and its worst phrasing.
  const picker = document.getElementById("flip-filters");
  const view = document.getElementById("flip-view");
  const said = document.getElementById("flip-count");
  const tasks = new Map();
  for (const flip of data.flips) {
    const name = T[flip.task];
    if (!tasks.has(name)) tasks.set(name, []);
    tasks.get(name).push(flip);
  }
  const side = (flip, one) => {
    const right = one.score >= 1 ? "right" : one.score <= 0 ? "wrong" : "part";
    const box = make("div", { class: "side " + right },
      make("h4", {}, T[one.head] + ": " + points(one.score) + " ", relation(T[one.seen])),
      make("p", { class: "text", dir: "auto" }, make("q", {}, T[one.text] || T[one.phrasing]), " ", make("span", { class: "id" }, T[one.phrasing])),
      make("p", { dir: "auto" }, "Answer: ", make("strong", {}, T[one.answer] || T[one.status]), one.probability === null ? "" : " (probability " + share(one.probability) + ")"));
    if (T[one.raw]) box.append(make("pre", { dir: "auto", tabindex: "0" }, T[one.raw]));
    if (one.choices.length) {
      const rows = one.choices.map((probability, place) => {
        const correct = T[flip.choices[place]] === T[flip.target];
        return make("tr", {},
          make("th", { scope: "row", dir: "auto" }, T[flip.choices[place]] + (correct ? " ✓" : "")),
          make("td", {}, share(probability)),
          make("td", {}, bar([{ class: correct ? "right" : "other", x: 0, y: 1, width: probability * 100, height: 8 }])));
      });
      box.append(make("table", {},
        make("caption", {}, "Probability of each choice (✓ correct)"),
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "choice"), make("th", { scope: "col" }, "probability"), make("th", { scope: "col" }, "of 100%"))),
        make("tbody", {}, ...rows)));
    }
    return box;
  };
  const showFlip = () => {
    const list = tasks.get(picker.elements.task.value) || [];
    const place = Number(picker.elements.instance.value) || 0;
    const flip = list[place];
    if (!flip) return;
    const box = make("article", { class: "flip" },
      make("h3", {}, make("bdi", {}, T[flip.task]), " · ", make("bdi", {}, T[flip.instance])));
    for (const [name, text] of flip.fields) box.append(make("p", { class: "field", dir: "auto" }, make("span", { class: "id" }, T[name]), T[text]));
    box.append(make("p", { class: "field", dir: "auto" }, make("span", { class: "id" }, "correct answer"), T[flip.target]));
    box.append(make("p", { class: "note" }, "Mean score over phrasings: " + points(flip.share) + "."));
    box.append(make("div", { class: "sides" }, ...flip.sides.map((one) => side(flip, one))));
    view.replaceChildren(box);
    const [flipping, always, never, all] = data.flipping[picker.elements.task.value];
    said.textContent = "Instance " + (place + 1) + " of " + list.length + " shown here. In this task " + flipping + " of " + all + " instances depend on the wording, " + always + " are right under every phrasing, " + never + " under none.";
  };
  const fill = () => {
    const select = picker.elements.instance;
    select.replaceChildren();
    (tasks.get(picker.elements.task.value) || []).forEach((flip, place) => {
      select.append(make("option", { value: place }, T[flip.instance]));
    });
    showFlip();
  };
  const step = (by) => {
    const select = picker.elements.instance;
    if (!select.options.length) return;
    select.selectedIndex = (select.selectedIndex + by + select.options.length) % select.options.length;
    showFlip();
  };
  if (tasks.size) {
    options(picker.elements.task, tasks.keys());
    picker.elements.task.value = [...tasks.keys()].sort((a, b) => data.flipping[b][0] - data.flipping[a][0])[0]; // where wording decides most
    picker.hidden = false;
    picker.elements.task.addEventListener("change", fill);
    picker.elements.instance.addEventListener("change", showFlip);
    picker.addEventListener("submit", (event) => event.preventDefault());
    document.getElementById("flip-back").addEventListener("click", () => step(-1));
    document.getElementById("flip-on").addEventListener("click", () => step(1));
    fill();
  }
  // Marks of the figures say what they are, under the pointer and by keyboard: one stop per strip, arrows inside.
  const tip = make("div", { id: "tip", role: "tooltip", hidden: "" });
  document.body.append(tip);
  const tell = (mark) => {
    const box = mark.querySelector("use").getBoundingClientRect();
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8));
    const above = box.top - tip.offsetHeight - 6;
    tip.style.left = left + scrollX + "px";
    tip.style.top = (above < 0 ? box.bottom + 6 : above) + scrollY + "px";
  };
  const hush = () => { tip.hidden = true; };
  for (const strip of document.querySelectorAll("svg.strip")) {
    const marks = [...strip.querySelectorAll("a.mark")];
    marks.forEach((mark, place) => {
      const title = mark.querySelector("title");
      mark.setAttribute("aria-label", title.textContent);
      title.remove();
      mark.setAttribute("tabindex", place ? "-1" : "0");
      mark.addEventListener("pointerenter", () => tell(mark));
      mark.addEventListener("pointerleave", hush);
      mark.addEventListener("focus", () => tell(mark));
      mark.addEventListener("blur", hush);
      mark.addEventListener("keydown", (event) => {
        if (event.key === "Escape") hush();
        const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        const other = by && marks[place + by];
        if (!other) return;
        event.preventDefault();
        mark.setAttribute("tabindex", "-1");
        other.setAttribute("tabindex", "0");
        other.focus();
      });
    });
  }
  followed();
  document.documentElement.dataset.ready = "yes";
})();
