"use strict";
// The view: what is typed, hidden and sorted by. It lives in the address, so that a link shows the same.
const view = {filter: "", hidden: new Set(), sort: "", theme: ""};
const figures = JSON.parse(document.getElementById("figures").textContent);
const tables = [...document.querySelectorAll("table.variants")];
const rows = [...tables[0].tBodies[0].rows];
const variants = rows.map((row) => row.dataset.variant);
// What everything else is compared with stays in view.
const controls = new Set(rows.filter((row) => row.classList.contains("control")).map((row) => row.dataset.variant));
const system = window.matchMedia("(prefers-color-scheme: dark)");
const field = (id) => document.getElementById(id);

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  view.filter = given.get("filter") ?? "";
  view.sort = given.get("sort") ?? "";
  view.theme = given.get("theme") ?? "";
  view.hidden = new Set(given.getAll("hide"));
  field("filter").value = view.filter;
  field("theme").value = view.theme;
}

function writeAddress() {
  const given = new URLSearchParams();
  for (const key of ["filter", "sort", "theme"]) if (view[key]) given.set(key, view[key]);
  for (const variant of view.hidden) given.append("hide", variant);
  history.replaceState(null, "", "#" + given);
}

function isShown(variant) {
  if (variant === "" || controls.has(variant)) return true;
  const words = view.filter.toLowerCase().split(/\s+/).filter(Boolean);
  return !view.hidden.has(variant) && words.every((word) => variant.toLowerCase().includes(word));
}

// "key" sorts up, "-key" down; cells without a value stay last.
function sortRows(table) {
  const down = view.sort.startsWith("-"), key = view.sort.replace(/^-/, "");
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const column = heads.findIndex((head) => head.dataset.key === key);
  heads.forEach((head, index) => head.setAttribute("aria-sort",
    index !== column ? "none" : down ? "descending" : "ascending"));
  const value = (row) => column === 0 ? row.dataset.variant : row.cells[column].dataset.value;
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    return (down ? -1 : 1) * (column === 0 ? x.localeCompare(y) : x - y);
  };
  const rows = [...body.rows];
  rows.sort(column < 0 ? (a, b) => variants.indexOf(a.dataset.variant) - variants.indexOf(b.dataset.variant) : compare);
  body.append(...rows);
}

const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();

// Points, bars and lines carry their variant in customdata; "" is the plain control wherever it comes from.
function withoutHidden(trace) {
  const named = trace.customdata?.map((own) => own[0]);
  if (!named) return trace;
  const kept = named.map(isShown);
  const pick = (value) => Array.isArray(value) && value.length === kept.length ? value.filter((_, i) => kept[i]) : value;
  const shown = Object.fromEntries(Object.entries(trace).map(([key, value]) => [key, pick(value)]));
  if (trace.dimensions) {
    shown.dimensions = trace.dimensions.map((axis) => ({...axis, values: pick(axis.values)}));
    shown.line = {...trace.line, color: pick(trace.line.color)};
    shown.labelfont = shown.tickfont = {color: ink()};
  }
  if (trace.marker) shown.marker = {...trace.marker, size: pick(trace.marker.size)};
  for (const bars of ["error_x", "error_y"]) if (trace[bars]) shown[bars] = {...trace[bars], array: pick(trace[bars].array)};
  return shown;
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const ink = color("--ink"), line = color("--line");
  const options = {
    responsive: true, displaylogo: false, toImageButtonOptions: {format: "svg"},
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };
  for (const [id, figure] of Object.entries(figures)) {
    // Zoom and legend stay as they are while variants come and go.
    const layout = {...structuredClone(figure.layout), uirevision: "kept"};
    layout.font = {...layout.font, color: ink};
    layout.modebar = {bgcolor: "rgba(0,0,0,0)", color: color("--soft"), activecolor: ink};
    layout.hoverlabel = {bgcolor: color("--band"), bordercolor: line, font: {color: ink}};
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      layout[axis] = {...layout[axis], gridcolor: line, linecolor: line, zerolinecolor: line};
    }
    Plotly.react(id, figure.data.map(withoutHidden), layout, options);
  }
}

function show() {
  document.documentElement.dataset.theme = view.theme || (system.matches ? "dark" : "light");
  tables.forEach(sortRows);
  for (const named of document.querySelectorAll("[data-variant]")) named.hidden = !isShown(named.dataset.variant);
  const count = variants.filter(isShown).length;
  field("told").textContent = count === variants.length ? "" : `${count} of ${variants.length} variants shown`;
  draw();
}

function change(changes) {
  Object.assign(view, changes);
  writeAddress();
  if (Object.keys(changes).join() === "sort") tables.forEach(sortRows);
  else show();
}

for (const table of tables) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const key = head.dataset.key;
    button.onclick = () => change({sort: view.sort === "-" + key ? key : view.sort === key ? "" : "-" + key});
  }
  for (const row of table.tBodies[0].rows) {
    if (controls.has(row.dataset.variant)) continue;
    const button = document.createElement("button");
    button.className = "hide";
    button.type = "button";
    button.textContent = "hide";
    button.setAttribute("aria-label", "hide " + row.dataset.variant);
    button.onclick = () => change({hidden: new Set([...view.hidden, row.dataset.variant])});
    row.cells[0].append(button);
  }
}
field("filter").oninput = (event) => change({filter: event.target.value});
field("theme").onchange = (event) => change({theme: event.target.value});
field("show-all").onclick = () => { field("filter").value = ""; change({filter: "", hidden: new Set()}); };
field("link").onclick = async () => {
  writeAddress();
  const done = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  field("told").textContent = done ? "Copied." : "The link is in the address bar.";
};
system.addEventListener("change", show);
window.addEventListener("hashchange", () => { readAddress(); show(); });
window.addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; draw(); });
window.addEventListener("afterprint", show);
readAddress();
show();
