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

  // Every cell of a task, unpacked when somebody looks; what is shown stands in the address.
  const packed = new Map([...document.querySelectorAll("script.packed")].map((one) => [one.dataset.task, one]));
  const unpackedTasks = new Map();
  const unpack = async (task) => {
    if (!unpackedTasks.has(task)) {
      const bytes = Uint8Array.from(atob(packed.get(task).textContent), (letter) => letter.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      unpackedTasks.set(task, await new Response(stream).json());
    }
    return unpackedTasks.get(task);
  };
  const cellForm = document.getElementById("cell-filters");
  const cells = { data: null, task: "", list: [], shown: 0, key: "", up: true };
  const cellBody = cellForm && document.getElementById("cell-table").tBodies[0];
  const cellMore = document.getElementById("more-cells");
  const scoreText = (value) => (value < 0 ? "–" : points(value / 1000));
  const promptOf = (d, p, n) => {
    const own = d.prompts.find((one) => one[0] === p && one[1] === n);
    const other = own || d.prompts.find((one) => one[0] === p);
    if (!other) return [make("p", { class: "note" }, "No prompt is kept in this page: evalkit export RUN --what responses has all.")];
    const said = own ? "Prompt as it was sent" : "Prompt of another instance, " + d.instances[other[1]] + ", under this phrasing (evalkit export RUN --what responses has all)";
    const parts = [make("p", { class: "note" }, said), make("pre", { dir: "auto", tabindex: "0" }, other[2])];
    if (own && other[3]) parts.push(make("p", { class: "note" }, "Raw answer"), make("pre", { dir: "auto", tabindex: "0" }, other[3]));
    return parts;
  };
  const openCell = (row, button, d, p, n) => {
    const next = row.nextElementSibling;
    const open = next && next.classList.contains("detail");
    button.setAttribute("aria-expanded", String(!open));
    if (open) { next.remove(); return; }
    const box = make("td", { colspan: "6" },
      make("p", { dir: "auto", class: "field" }, make("span", { class: "id" }, "wording " + d.phrasings[p]), d.wordings[p] || d.phrasings[p]),
      make("p", { dir: "auto", class: "field" }, make("span", { class: "id" }, "instance " + d.instances[n]), d.questions[n]),
      ...promptOf(d, p, n));
    row.after(make("tr", { class: "detail" }, box));
  };
  const cellRow = (cell) => {
    const d = cells.data;
    const [p, n] = [Math.floor(cell / d.instances.length), cell % d.instances.length];
    const state = d.states[d.state[cell]] || "";
    const button = make("button", { type: "button", "aria-expanded": "false" }, "prompt");
    const row = make("tr", {},
      make("td", { class: "cell", dir: "auto" }, make("span", { class: "clip" }, d.questions[n] || d.instances[n]), button),
      make("td", { class: "name", dir: "auto" }, d.phrasings[p], " ", relation(d.seen[p])),
      make("td", {}, scoreText(d.score[cell])),
      make("td", { class: "state-" + state }, state),
      make("td", { class: "cell", dir: "auto" }, make("span", { class: "clip" }, d.answer[cell] < 0 ? "–" : d.answers[d.answer[cell]])),
      make("td", { class: "cell", dir: "auto" }, make("span", { class: "clip" }, d.targets[n])));
    button.addEventListener("click", () => openCell(row, button, d, p, n));
    return row;
  };
  const moreCells = () => {
    const part = document.createDocumentFragment();
    const end = Math.min(cells.list.length, cells.shown + STEP);
    for (; cells.shown < end; cells.shown++) part.append(cellRow(cells.list[cells.shown]));
    cellBody.append(part);
    cellMore.hidden = cells.shown >= cells.list.length;
    document.getElementById("cell-count").textContent = cells.shown.toLocaleString("en") + " of " + cells.list.length.toLocaleString("en") + " matching cells shown (" + cells.data.score.length.toLocaleString("en") + " of this task).";
  };
  const sortedCells = (list) => {
    const d = cells.data;
    const N = d.instances.length;
    const keys = {
      instance: (c) => d.questions[c % N], phrasing: (c) => d.phrasings[Math.floor(c / N)], target: (c) => d.targets[c % N],
      score: (c) => d.score[c], state: (c) => d.states[d.state[c]], answer: (c) => (d.answer[c] < 0 ? "" : d.answers[d.answer[c]]),
    };
    const key = keys[cells.key];
    if (!key) return list;
    return list.sort((a, b) => { const x = key(a), y = key(b); return (x < y ? -1 : x > y ? 1 : a - b) * (cells.up ? 1 : -1); });
  };
  const filterCells = () => {
    const d = cells.data;
    const N = d.instances.length;
    const form = cellForm.elements;
    const only = form.phrasing.value === "" ? -1 : d.phrasings.indexOf(form.phrasing.value);
    const state = form.state.value === "" ? -1 : d.states.indexOf(form.state.value);
    const words = form.text.value.toLowerCase();
    const decides = new Uint8Array(N);
    if (form.flip.checked) {
      for (let n = 0; n < N; n++) {
        let [low, high] = [Infinity, -Infinity];
        for (let p = 0; p < d.phrasings.length; p++) {
          const value = d.score[p * N + n];
          if (d.headline[p] && value >= 0) { low = Math.min(low, value); high = Math.max(high, value); }
        }
        decides[n] = high > low ? 1 : 0;
      }
    }
    const heard = words ? d.questions.map((text, n) => (text + "\n" + d.targets[n]).toLowerCase().includes(words)) : null;
    const said = words ? d.answers.map((text) => text.toLowerCase().includes(words)) : null;
    const list = [];
    for (let c = 0; c < d.score.length; c++) {
      const [p, n] = [Math.floor(c / N), c % N];
      if (only >= 0 && p !== only) continue;
      if (state >= 0 && d.state[c] !== state) continue;
      if (form.flip.checked && !decides[n]) continue;
      if (words && !heard[n] && !said[d.answer[c]]) continue;
      list.push(c);
    }
    cells.list = sortedCells(list);
    cells.shown = 0;
    cellBody.replaceChildren();
    moreCells();
  };
  const address = () => {
    const query = new URLSearchParams();
    for (const name of ["task", "phrasing", "state", "text"]) if (cellForm.elements[name].value) query.set(name, cellForm.elements[name].value);
    if (cellForm.elements.flip.checked) query.set("flip", "1");
    history.replaceState(null, "", "#cells?" + query);
  };
  const showCells = async (wanted) => {
    const form = cellForm.elements;
    if (wanted && wanted.get("task") && packed.has(wanted.get("task"))) form.task.value = wanted.get("task");
    const task = form.task.value;
    const d = await unpack(task);
    if (cells.task !== task) {
      cells.data = d;
      cells.task = task;
      form.phrasing.replaceChildren(make("option", { value: "" }, "all"));
      form.state.replaceChildren(make("option", { value: "" }, "all"));
      options(form.phrasing, [...d.phrasings].sort());
      options(form.state, d.states.filter((_, code) => d.state.includes(code)));
    }
    if (wanted) {
      for (const name of ["phrasing", "state", "text"]) form[name].value = wanted.get(name) || "";
      form.flip.checked = wanted.get("flip") === "1";
    }
    cellForm.hidden = false;
    document.getElementById("cell-scroll").hidden = false;
    filterCells();
  };
  if (cellForm) {
    cellForm.addEventListener("submit", (event) => event.preventDefault());
    cellForm.addEventListener("input", async (event) => {
      if (event.target.name === "task") { cellForm.elements.phrasing.value = ""; cellForm.elements.state.value = ""; }
      await showCells(null);
      address();
    });
    cellMore.addEventListener("click", moreCells);
    for (const head of document.getElementById("cell-table").tHead.rows[0].cells) {
      const button = make("button", { type: "button" }, head.textContent);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        cells.up = cells.key === head.dataset.key ? !cells.up : true;
        cells.key = head.dataset.key;
        for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", cells.up ? "ascending" : "descending");
        filterCells();
      });
    }
    new IntersectionObserver((seen, watcher) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      watcher.disconnect();
      if (!cells.data) showCells(null);
    }).observe(document.getElementById("cells"));
  }

  // A place in the page with what is to be shown there: #cells?task=...&phrasing=..., #phrasings?task=...
  const followed = async () => {
    const [name, query] = location.hash.slice(1).split("?");
    if (!query) return;
    const wanted = new URLSearchParams(query);
    if (name === "cells" && cellForm) await showCells(wanted);
    if (name === "phrasings") {
      filters.reset();
      filters.elements.task.value = wanted.get("task") || "";
      filters.elements.text.value = wanted.get("phrasing") || "";
      refresh();
    }
    const place = document.getElementById(name);
    if (place) place.scrollIntoView();
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
