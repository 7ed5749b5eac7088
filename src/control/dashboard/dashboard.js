/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dashboard of straitd. Everything shown comes from GET /api/v1/METHOD, at most once a second each, and only while
 * the page is seen. Text from the daemon goes into the page as text nodes, never as HTML.
 */
"use strict";

const STAGES = ["ring", "held", "submit", "backend", "publish", "notify"];
const STAGE_WORDS = {
  ring: "waiting in the ring", held: "held back by QoS", submit: "on its way to the back end",
  backend: "in the back end", publish: "completed, not yet in the ring", notify: "until the driver was called",
};
const SECOND = 1000;
const FEW_DISKS = 12; /* that are shown before somebody asks for all of them */
const SPARK_POINTS = 60;
const UNKNOWN = "–";

const byId = (id) => document.getElementById(id);

/* ---------- Numbers as people read them ---------- */

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/* Three digits, or as many as stand before the point. */
function digits(value) {
  if (value === 0 || Number.isInteger(value) && value < 1000) return String(value);
  return value < 0.005 ? "0" : value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

function scaled(value, step, units) {
  let unit = 0;
  while (value >= step * 0.9995 && unit < units.length - 1) {
    value /= step;
    unit++;
  }
  return [digits(value), units[unit]];
}

function count(value) {
  if (!isNumber(value)) return [UNKNOWN, ""];
  return value < 9999.5 ? [digits(value), ""] : scaled(value, 1000, ["", "k", "M", "G"]);
}

const time = (ns) => isNumber(ns) ? ns < 1 ? ["0", "ns"] : scaled(ns, 1000, ["ns", "µs", "ms", "s"]) : [UNKNOWN, ""];
const bytes = (value) => isNumber(value) ? scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]) : [UNKNOWN, ""];
const megabytes = (value) => [isNumber(value) ? digits(value / 1e6) : UNKNOWN, ""];
const percent = (share) => [isNumber(share) ? share > 0 && share < 0.0995 ? (100 * share).toFixed(1)
  : (100 * share).toFixed(0) : UNKNOWN, isNumber(share) ? "%" : ""];
/* A narrow space that does not break between number and unit. */
const join = ([number, unit]) => unit ? `${number}\u202f${unit}` : number;

/* vm2 before vm10. */
const byName = new Intl.Collator("en", {numeric: true}).compare;

/* ---------- Putting things into the page ---------- */

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key === "data") Object.assign(made.dataset, value);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/* What is unchanged is left alone, so that selections and screen readers are not disturbed once a second. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/* The rows of a table by key: those that stay are kept, so that focus is. make(key) gives a row, fill(row, item) its text. */
function keepRows(body, items, keyOf, make, fill) {
  const old = new Map([...body.children].map((row) => [row.dataset.key, row]));
  let place = body.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let row = old.get(key);
    if (row) {
      old.delete(key);
    } else {
      row = make(item);
      row.dataset.key = key;
    }
    fill(row, item);
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  for (const row of old.values()) row.remove();
}

/* A row of cells from [title, class] pairs. */
function makeCells(titles) {
  return element("tr", {}, ...titles.map(([title, className = ""]) => element("td", {class: className, data: {title}})));
}

/* Sentences for who cannot see the page change; few, or nobody listens. */
function announce(sentence) {
  setText(byId("announce"), sentence);
}

function remember(key, value) {
  try {
    localStorage.setItem(`strait-${key}`, value);
  } catch { /* A browser may forbid it: then it is forgotten. */ }
}

function recall(key) {
  try {
    return localStorage.getItem(`strait-${key}`);
  } catch {
    return null;
  }
}

/* ---------- Asking straitd ---------- */

class Refused extends Error {} /* straitd answered, and did not give it */

async function ask(method, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const response = await fetch(`api/v1/${method}${query ? `?${query}` : ""}`,
    {cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(10 * SECOND)});
  if (!response.ok) {
    let sentence = `straitd answered ${response.status}`;
    try {
      const body = await response.json();
      const told = typeof body.error === "object" && body.error ? body.error.message : body.message ?? body.error;
      if (typeof told === "string") sentence = told;
    } catch { /* no JSON: the status has to do */ }
    throw new Refused(sentence);
  }
  return response.json();
}

/* ---------- What is known ---------- */

const state = {
  stats: null, before: null, /* the last two readings */
  rows: [], sparks: new Map(),
  chosen: null, askedFor: null, /* a disk by its name; what the address says */
  sort: "iops", reverse: false, filter: "", all: false,
  paused: false, failures: 0, noisy: "",
  history: null, budget: null, slow: null, facts: null, profile: null,
  cursor: null, /* a step in the picture of the latency */
};

/* A counter that went back belongs to something else of the same name. */
const rate = (before, now, seconds) => isNumber(before) && isNumber(now) && now >= before ? (now - before) / seconds : NaN;

function rowsOf(stats, before) {
  const same = before && before.epoch === stats.epoch && stats["time-ns"] > before["time-ns"];
  const seconds = same ? (stats["time-ns"] - before["time-ns"]) / 1e9 : NaN;
  const old = new Map(same ? before.disks.map((disk) => [disk.name, disk]) : []);
  return stats.disks.map((disk) => {
    /* One that is not served has a name and a state alone. */
    const now = disk.counters ?? {}, then = old.get(disk.name)?.counters ?? {}, latency = disk.latency ?? {};
    const window = disk["window-ns"] ?? stats["window-ns"];
    const some = latency.requests > 0;
    const row = {
      name: disk.name, state: disk.state, group: disk.group ?? "", noisy: disk.noisy === true, pressure: disk.pressure,
      iops: rate(then.requests, now.requests, seconds),
      bps: rate(then["bytes-read"], now["bytes-read"], seconds) + rate(then["bytes-written"], now["bytes-written"], seconds),
      errors: rate(then.errors, now.errors, seconds), recent: latency.requests || 0,
      held: now["held-now"], workers: disk.workers ?? [],
      p50: some ? latency["p50-ns"] : NaN, p99: some ? latency["p99-ns"] : NaN, p999: some ? latency["p999-ns"] : NaN,
      stage: some ? latency["dominant-stage"] ?? "" : "", share: some ? latency["dominant-share"] : NaN,
      /* Little's law; of one that hangs there is the moment only. */
      depth: some && window > 0 ? latency.requests * latency["mean-ns"] / window : now["in-flight"],
    };
    row.kicks = row.iops > 0 ? rate(then.kicks, now.kicks, seconds) / row.iops : NaN;
    row.calls = row.iops > 0 ? rate(then.calls, now.calls, seconds) / row.iops : NaN;
    return row;
  });
}

/* ---------- The fleet ---------- */

const COLUMNS = [
  {key: "name", title: "Disk", text: true},
  {key: "state", title: "State", text: true},
  {key: "iops", title: "IOPS", show: (row) => join(count(row.iops))},
  {key: "bps", title: "MB/s", show: (row) => join(megabytes(row.bps))},
  {key: "depth", title: "Depth", show: (row) => join(count(row.depth))},
  {key: "p50", title: "p50", show: (row) => join(time(row.p50))},
  {key: "p99", title: "p99", show: (row) => join(time(row.p99))},
  {key: "p999", title: "p99.9", show: (row) => join(time(row.p999))},
  {key: "share", title: "Mostly", where: true},
  {key: "held", title: "Held", show: (row) => join(count(row.held))},
  {key: "errors", title: "Errors/s", wide: true, show: (row) => join(count(row.errors))},
  {key: "kicks", title: "Kicks/IO", wide: true, show: (row) => join(count(row.kicks))},
  {key: "calls", title: "Calls/IO", wide: true, show: (row) => join(count(row.calls))},
];

function compareRows(a, b) {
  const column = COLUMNS.find((one) => one.key === state.sort) ?? COLUMNS[0];
  let order;
  if (column.text) {
    order = byName(a[column.key], b[column.key]);
  } else {
    const x = a[column.key], y = b[column.key];
    /* What is unknown comes last, whichever way round. */
    if (!isNumber(x) || !isNumber(y)) return isNumber(y) - isNumber(x) || byName(a.name, b.name);
    order = y - x;
  }
  return (state.reverse ? -order : order) || byName(a.name, b.name);
}

function sortBy(key) {
  if (state.sort === key) state.reverse = !state.reverse;
  else [state.sort, state.reverse] = [key, false];
  remember("sort", `${state.sort} ${state.reverse}`);
  byId("sort").value = state.sort;
  drawFleet();
}

function makeFleetHead() {
  const head = document.querySelector("#disks thead tr");
  for (const column of COLUMNS) {
    const button = element("button", {type: "button"}, column.title);
    button.addEventListener("click", () => sortBy(column.key));
    head.append(element("th", {
      scope: "col", data: {key: column.key},
      class: `${column.text || column.where ? "" : "number"} ${column.wide ? "wide" : ""}`.trim(),
    }, button));
    byId("sort").append(element("option", {value: column.key}, column.title));
  }
  head.append(element("th", {scope: "col"}, "Last minute, IOPS"));
}

const SVG = "http://www.w3.org/2000/svg";

function makeSpark() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", `0 0 ${SPARK_POINTS - 1} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "polyline"));
  return svg;
}

function drawSpark(svg, points) {
  const most = Math.max(1, ...points);
  const from = SPARK_POINTS - points.length;
  setAttribute(svg.firstChild, "points",
    points.map((value, i) => `${from + i},${(19 - 18 * value / most).toFixed(1)}`).join(" "));
}

function makeFleetRow(row) {
  const made = element("tr");
  for (const column of COLUMNS) {
    const cell = element(column.key === "name" ? "th" : "td", {data: {title: column.title}});
    if (column.key === "name") {
      setAttribute(cell, "scope", "row");
      cell.className = "title";
      cell.append(element("a", {href: `#disk=${encodeURIComponent(row.name)}`}, row.name),
        element("span", {class: "noisy-mark", hidden: ""}, "noisy"));
    } else if (column.key === "state") {
      cell.className = "state untitled";
    } else if (column.where) {
      cell.className = "where-cell";
      cell.append(element("span", {class: "where"}, element("i", {class: "swatch"}), element("span")));
    } else {
      cell.className = column.wide ? "number wide" : "number";
    }
    made.append(cell);
  }
  made.append(element("td", {class: "broad untitled"}, makeSpark()));
  made.addEventListener("click", (event) => {
    if (!event.target.closest("a") && !getSelection().toString()) location.hash = `disk=${encodeURIComponent(row.name)}`;
  });
  return made;
}

function fillFleetRow(made, row) {
  setAttribute(made, "aria-current", row.name === state.chosen ? "true" : null);
  made.classList.toggle("idle", !(row.iops > 0 || row.depth > 0));
  COLUMNS.forEach((column, i) => {
    const cell = made.children[i];
    if (column.key === "name") {
      cell.lastElementChild.hidden = !row.noisy;
    } else if (column.key === "state") {
      setText(cell, row.state);
      setAttribute(cell, "data-state", row.state);
    } else if (column.where) {
      const [swatch, words] = cell.firstElementChild.children;
      swatch.hidden = !row.stage;
      setAttribute(swatch, "data-stage", row.stage);
      setText(words, row.stage ? `${row.stage} ${join(percent(row.share))}` : UNKNOWN);
      setAttribute(cell, "title", STAGE_WORDS[row.stage] ?? "");
    } else {
      setText(cell, column.show(row));
    }
  });
  drawSpark(made.lastElementChild.firstElementChild, state.sparks.get(row.name) ?? []);
}

function matching() {
  const wanted = state.filter.toLowerCase();
  return state.rows.filter((row) => !wanted || `${row.name}\n${row.group}\n${row.state}`.toLowerCase().includes(wanted))
    .sort(compareRows);
}

/* The few at the top, and the chosen one wherever it is. */
function shown(rows) {
  if (state.all || rows.length <= FEW_DISKS) return rows;
  return rows.filter((row, i) => i < FEW_DISKS || row.name === state.chosen);
}

function drawFleet() {
  const rows = matching(), few = shown(rows);
  for (const head of document.querySelectorAll("#disks thead th[data-key]")) {
    const text = COLUMNS.find((column) => column.key === head.dataset.key).text;
    setAttribute(head, "aria-sort", head.dataset.key !== state.sort ? null
      : Boolean(text) === state.reverse ? "descending" : "ascending");
  }
  keepRows(document.querySelector("#disks tbody"), few, (row) => row.name, makeFleetRow, fillFleetRow);
  byId("disks").hidden = !few.length;
  byId("fleet-empty").hidden = few.length > 0;
  setText(byId("fleet-empty"), !state.stats ? "Waiting for the first reading…"
    : state.rows.length ? "No disk matches the filter." : "straitd serves no disks.");
  setText(byId("fleet-count"), state.filter ? `${rows.length} of ${state.rows.length}` : String(state.rows.length || ""));
  byId("show-all").hidden = rows.length <= FEW_DISKS;
  setText(byId("show-all"), state.all ? `Show ${FEW_DISKS} only` : `Show all ${rows.length} disks`);
}

function drawSummary() {
  const sum = (key) => state.rows.reduce((all, row) => all + (isNumber(row[key]) ? row[key] : 0), 0);
  const known = state.rows.some((row) => isNumber(row.iops));
  setText(byId("summary"), `${state.rows.length} ${state.rows.length === 1 ? "disk" : "disks"}` +
    (known ? ` · ${join(count(sum("iops")))} IOPS · ${join(megabytes(sum("bps")))} MB/s` : ""));
}

function drawNoisy() {
  const noisy = state.rows.filter((row) => row.noisy), banner = byId("noisy");
  const names = noisy.map((row) => row.name).join(", ");
  banner.hidden = !noisy.length;
  if (names !== state.noisy) {
    state.noisy = names;
    banner.replaceChildren(noisy.length > 1 ? "Noisy neighbours: " : "Noisy neighbour: ");
    noisy.forEach((row, i) => banner.append(i ? ", " : "",
      element("a", {href: `#disk=${encodeURIComponent(row.name)}`}, row.name)));
    banner.append(". The other disks of this host wait because of what it asks for; a limit or a weight would help.");
    announce(names ? `Noisy neighbour: ${names}` : "No noisy neighbour any more");
  }
}

/* ---------- The chosen disk ---------- */

function fromAddress() {
  const match = /^#disk=(.+)$/.exec(location.hash);
  try {
    return match ? decodeURIComponent(match[1]) : null;
  } catch {
    return null; /* a broken escape names nothing */
  }
}

function choose(name) {
  if (name === state.chosen) return;
  state.chosen = name;
  state.history = state.budget = state.slow = state.facts = state.profile = state.cursor = null;
  for (const one of Object.values(resources)) one.last = -Infinity;
  document.title = name ? `${name} – Strait` : "Strait";
  drawFleet();
  drawDetail();
  askForDetails();
}

/* The address decides; without one it is the busiest disk at first, and then stays. */
function chooseDisk() {
  const asked = fromAddress();
  if (asked !== null) choose(asked);
  else if (state.rows.length && !state.rows.some((row) => row.name === state.chosen))
    choose([...state.rows].sort((a, b) => b.recent - a.recent || byName(a.name, b.name))[0].name);
  else if (!state.rows.length) choose(null);
}

function chooseNext(step) {
  const rows = shown(matching()), place = rows.findIndex((row) => row.name === state.chosen);
  const next = rows[place < 0 ? 0 : Math.min(Math.max(place + step, 0), rows.length - 1)];
  if (!next) return;
  history.replaceState(null, "", `#disk=${encodeURIComponent(next.name)}`);
  choose(next.name);
  announce(`${next.name}: ${join(count(next.iops))} IOPS, p99 ${join(time(next.p99))}`);
  document.querySelector("#disks tr[aria-current]")?.scrollIntoView({block: "nearest"});
}

function makeFigure(title) {
  return element("div", {data: {key: title}}, element("dt", {}, title), element("dd", {}, element("span"), element("small")));
}

function drawDetail() {
  const row = state.rows.find((one) => one.name === state.chosen);
  byId("detail").hidden = state.chosen === null;
  if (state.chosen === null) return;
  const missing = state.stats && !row;
  setText(byId("detail-title"), state.chosen);
  setText(byId("detail-state"), row ? row.state : "");
  setAttribute(byId("detail-state"), "data-state", row ? row.state : "");
  byId("detail-problem").hidden = !missing;
  setText(byId("detail-problem"), missing ? `There is no disk "${state.chosen}" now.` : "");
  for (const panel of document.querySelectorAll("#detail .panel, #figures")) panel.hidden = Boolean(missing);
  if (row) {
    const figures = [["IOPS", count(row.iops)], ["Throughput", isNumber(row.bps) ? [digits(row.bps / 1e6), "MB/s"] : [UNKNOWN, ""]],
      ["Depth", count(row.depth)], ["p50", time(row.p50)], ["p99", time(row.p99)], ["p99.9", time(row.p999)]];
    keepRows(byId("figures"), figures, (figure) => figure[0], (figure) => makeFigure(figure[0]), (made, [, value]) => {
      setText(made.querySelector("span"), value[0]);
      setText(made.querySelector("small"), value[1] ? `\u202f${value[1]}` : "");
    });
  }
  drawFacts(row);
  drawHeat();
  drawBudget();
  drawSlow();
}

function drawFacts(row) {
  const facts = state.facts ?? {}, words = [];
  if (isNumber(facts.size)) words.push(join(bytes(facts.size)));
  if (facts["read-only"]) words.push("read-only");
  if (facts.cache) words.push(`cache ${facts.cache}`);
  if (isNumber(facts.queues)) words.push(`${facts.queues} ${facts.queues === 1 ? "queue" : "queues"}`);
  if (facts.polling) words.push(`polling ${facts.polling}`);
  if (row?.workers.length) words.push(`worker ${row.workers.join(", ")}`);
  if (row?.group) words.push(`group ${row.group}`);
  if (state.profile?.class) words.push(`workload ${state.profile.class}`);
  setAttribute(byId("detail-facts"), "title", (state.profile?.evidence ?? []).join("\n"));
  setText(byId("detail-facts"), words.join(" · "));
}

/* ---------- Heat map ---------- */

const heat = {left: 58, right: 8, top: 8, bottom: 24};

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/* Along four colours whose lightness changes one way only, so that they can be read without seeing hues. */
function heatColors() {
  const stops = [0, 1, 2, 3].map((i) => channels(color(`--heat-${i}`)));
  return (share) => {
    const at = Math.min(Math.max(share, 0), 1) * 3, i = Math.min(Math.floor(at), 2);
    return `rgb(${stops[i].map((low, c) => Math.round(low + (stops[i + 1][c] - low) * (at - i))).join(" ")})`;
  };
}

/* Whole decades with all that happened, at least two of them. */
function heatRange(frames) {
  let low = Infinity, high = 0;
  for (const frame of frames) {
    for (const [lower] of frame.buckets) {
      low = Math.min(low, Math.max(lower, 100));
      high = Math.max(high, lower * 1.19);
    }
  }
  const first = Math.floor(Math.log10(low)), last = Math.max(Math.ceil(Math.log10(high)), first + 2);
  return [first, last];
}

function heatFrames() {
  const span = Number(byId("heat-span").value) * 1e9, result = state.history;
  const frames = (result?.frames ?? []).map((frame) => ({...frame, from: frame["at-ns"] - frame["span-ns"]}));
  return {frames, span, step: result?.["step-ns"] ?? span, end: result?.["time-ns"] ?? 0};
}

/* A canvas as large as it is shown, whatever the density of the screen. */
function prepareCanvas(canvas) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  const [pixels, lines] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixels || canvas.height !== lines) [canvas.width, canvas.height] = [pixels, lines];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
}

function drawAxes(context, box, first, last, span) {
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = "middle";
  for (let decade = first; decade <= last; decade++) {
    const y = box.y(10 ** decade);
    context.fillStyle = color("--line");
    context.fillRect(heat.left, Math.round(y), box.width, 1);
    context.fillStyle = color("--faint");
    context.textAlign = "right";
    context.fillText(join(time(10 ** decade)), heat.left - 8, Math.min(Math.max(y, 8), box.bottom - 2));
  }
  context.textBaseline = "alphabetic";
  const ticks = box.width < 420 ? 2 : 4;
  for (let i = 0; i <= ticks; i++) {
    const ago = span / 1e9 * (1 - i / ticks);
    context.textAlign = i === 0 ? "left" : i === ticks ? "right" : "center";
    context.fillText(ago === 0 ? "now" : ago < 120 ? `−${ago} s` : `−${ago / 60} min`,
      heat.left + box.width * i / ticks, box.bottom + 17);
  }
}

function drawBuckets(context, box, frames, span) {
  const most = frames.reduce((all, frame) => Math.max(all, ...frame.buckets.map(([, n]) => n)), 1);
  const colors = heatColors();
  for (const frame of frames) {
    const x = box.x(frame.from), wide = Math.max(frame["span-ns"] / span * box.width, 1);
    if (x + wide < heat.left) continue;
    const from = Math.max(x, heat.left);
    for (const [lower, n] of frame.buckets) {
      const low = Math.max(lower, 100), y = box.y(low * 2 ** 0.25);
      /* A single slow request is what is looked for, so it must be seen. */
      context.fillStyle = colors(0.12 + 0.88 * Math.log1p(n) / Math.log1p(most));
      context.fillRect(Math.floor(from), Math.floor(y), Math.ceil(x + wide - from), Math.max(Math.ceil(box.y(low) - y), 2));
    }
  }
}

function drawLine(context, box, frames, step) {
  context.strokeStyle = color("--heat-line");
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.beginPath();
  let before = null;
  for (const frame of frames) {
    const x = box.x(middle(frame));
    if (!frame.requests || x < heat.left) continue;
    /* No line over times of which nothing is known. */
    const gap = before === null || frame.from - before > 2 * step;
    context[gap ? "moveTo" : "lineTo"](x, box.y(Math.max(frame["p99-ns"], 100)));
    before = frame["at-ns"];
  }
  context.stroke();
}

function drawHeat() {
  const {frames, span, step, end} = heatFrames();
  const busy = frames.filter((frame) => frame.requests > 0);
  const [context, width, height] = prepareCanvas(byId("heat"));
  byId("heat-empty").hidden = busy.length > 0;
  byId("heat-frame").classList.toggle("nothing", state.history !== null && !busy.length);
  setText(byId("heat-empty"), state.history === null ? "Loading…" : resources.history.problem
    ?? "No requests in this time. An idle disk keeps no history.");
  drawHeatTable(busy, end);
  if (!busy.length || width < 120) {
    setText(byId("heat-words"), "\u00a0");
    return;
  }
  const [first, last] = heatRange(busy);
  const bottom = height - heat.bottom, inner = width - heat.left - heat.right;
  const box = {
    width: inner, bottom,
    x: (at) => heat.left + (1 - (end - at) / span) * inner,
    y: (ns) => heat.top + (bottom - heat.top) * (1 - (Math.log10(ns) - first) / (last - first)),
  };
  drawAxes(context, box, first, last, span);
  drawBuckets(context, box, busy, span);
  drawLine(context, box, busy, step);
  drawCursor(context, box, busy, end);
}

const middle = (frame) => frame.from + frame["span-ns"] / 2;
const ago = (ns) => `${ns < 60e9 ? `${Math.round(ns / 1e9)} s` : `${(ns / 60e9).toFixed(1)} min`} ago`;

/* What is pointed at, in words; otherwise what the picture says as a whole. */
function drawCursor(context, box, frames, end) {
  let words;
  if (state.cursor !== null) {
    const frame = frames.reduce((best, one) => Math.abs(one["at-ns"] - state.cursor) < Math.abs(best["at-ns"] - state.cursor)
      ? one : best);
    state.cursor = frame["at-ns"];
    context.fillStyle = color("--text");
    context.globalAlpha = 0.6;
    context.fillRect(Math.round(box.x(middle(frame))), heat.top, 1, box.bottom - heat.top);
    context.globalAlpha = 1;
    words = `${ago(end - frame["at-ns"])}: ${join(count(frame.requests / (frame["span-ns"] / 1e9)))} IOPS, ` +
      `p50 ${join(time(frame["p50-ns"]))}, p99 ${join(time(frame["p99-ns"]))}, p99.9 ${join(time(frame["p999-ns"]))}`;
  } else {
    const worst = frames.reduce((best, one) => one["p99-ns"] > best["p99-ns"] ? one : best);
    words = `Darker: more requests. Line: p99, highest ${ago(end - worst["at-ns"])} with ${join(time(worst["p99-ns"]))}.`;
    if (isDark()) words = words.replace("Darker", "Brighter");
  }
  setText(byId("heat-words"), words);
}

function drawHeatTable(frames, end) {
  if (!byId("heat-details").open) return;
  keepRows(document.querySelector("#heat-table tbody"), frames.slice(-30).reverse(), (frame) => frame["at-ns"],
    () => makeCells([["Time", "untitled"], ["Requests", "number"], ["p50", "number"], ["p99", "number"], ["p99.9", "number"],
      ["Held", "number"]]),
    (row, frame) => [ago(end - frame["at-ns"]), join(count(frame.requests)), join(time(frame["p50-ns"])),
      join(time(frame["p99-ns"])), join(time(frame["p999-ns"])), join(count(frame.held))]
      .forEach((text, i) => setText(row.children[i], text)));
}

function moveCursor(step) {
  const frames = heatFrames().frames.filter((frame) => frame.requests > 0);
  if (!frames.length) return;
  const place = state.cursor === null ? frames.length : frames.findIndex((frame) => frame["at-ns"] >= state.cursor);
  state.cursor = frames[Math.min(Math.max(place + step, 0), frames.length - 1)]["at-ns"];
  drawHeat();
  announce(byId("heat-words").textContent);
}

function pointAt(event) {
  const {frames, span, end} = heatFrames(), box = byId("heat").getBoundingClientRect();
  const share = (event.clientX - box.left - heat.left) / (box.width - heat.left - heat.right);
  state.cursor = frames.length && share >= 0 ? end - (1 - share) * span : null;
  drawHeat();
}

/* ---------- Budget ---------- */

const quantileName = (quantile) => `p${digits(quantile * 100)}`.replace("99.90", "99.9");

function makeStack(className) {
  return element("div", {class: className, "aria-hidden": "true"}, ...STAGES.map((stage) => element("span", {data: {stage}})));
}

function fillStack(stack, stages, total) {
  STAGES.forEach((stage, i) => {
    const share = total > 0 ? (stages[stage] ?? 0) / total : 0;
    stack.children[i].style.width = `${(100 * Math.min(share, 1)).toFixed(2)}%`;
    stack.children[i].hidden = share < 0.0005;
  });
}

function drawBudget() {
  const budget = state.budget, levels = budget?.levels ?? [], some = budget?.requests > 0 && levels.length > 0;
  byId("budget-bars").hidden = byId("budget").hidden = byId("budget-host").hidden = !some;
  byId("budget-empty").hidden = some;
  setText(byId("budget-empty"), resources.budget.problem ?? (budget ? "No such requests in this time." : "Loading…"));
  if (!some) return;
  keepRows(byId("budget-bars"), levels, (level) => level.quantile,
    (level) => element("div", {class: "budget-row"}, element("b", {}, quantileName(level.quantile)), makeStack("stack"),
      element("span", {class: "total"})),
    (row, level) => {
      fillStack(row.children[1], level.stages, level["total-ns"]);
      setText(row.children[2], join(time(level["total-ns"])));
    });
  drawBudgetTable(budget, levels);
  drawHost(budget.host ?? {});
}

function drawBudgetTable(budget, levels) {
  const head = document.querySelector("#budget thead"), titles = ["Stage", ...levels.map((level) => quantileName(level.quantile)), "mean"];
  if (head.textContent !== titles.join(""))
    head.replaceChildren(element("tr", {}, ...titles.map((title, i) => element("th", {scope: "col", class: i ? "number" : ""}, title))));
  const total = {stage: "total", values: [...levels.map((level) => [level["total-ns"], 1]), [budget.total?.["mean-ns"], 1]]};
  const rows = STAGES.map((stage) => ({
    stage,
    values: [...levels.map((level) => [level.stages[stage] ?? 0, (level.stages[stage] ?? 0) / level["total-ns"]]),
      [budget.stages?.[stage]?.["mean-ns"], budget.stages?.[stage]?.["mean-ns"] / budget.total?.["mean-ns"]]],
  }));
  keepRows(document.querySelector("#budget tbody"), [...rows, total], (row) => `${row.stage} ${row.values.length}`,
    (row) => element("tr", {}, element("th", {scope: "row", title: STAGE_WORDS[row.stage] ?? null},
      row.stage === "total" ? null : element("i", {class: "swatch", data: {stage: row.stage}}), row.stage),
    ...row.values.map(() => element("td", {class: "number"}, element("span"), element("span", {class: "share"})))),
    (made, row) => row.values.forEach(([ns, share], i) => {
      const [value, part] = made.children[i + 1].children;
      setText(value, ns === 0 ? "0" : join(time(ns)));
      setText(part, row.stage === "total" || !(share >= 0.005) ? "" : ` · ${join(percent(share))}`);
    }));
}

/* "The disk is slow" and "the thread did not run" are different troubles. */
function drawHost(host) {
  const delay = host["run-delay-share"], steal = host["steal-share"];
  setText(byId("budget-host"), `The host: of the time in which its workers wanted to run they had to wait for a CPU ` +
    `${join(percent(delay))}; the hypervisor took ${join(percent(steal))}.` +
    (delay > 0.05 || steal > 0.05 ? " That is part of these latencies." : ""));
}

/* ---------- Slow requests ---------- */

const clock = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false});

function makeSlowRow() {
  const row = makeCells([["When", "untitled"], ["What", "untitled"], ["Offset", "number"], ["Length", "number"], ["Took", "number"],
    ["Where", "broad"], ["Depth", "number"], ["Worker"]]);
  row.children[5].append(element("span", {class: "mostly"}, makeStack("stack small"), element("span")));
  return row;
}

function fillSlowRow(row, slow) {
  const texts = [clock.format(new Date(slow.at)), slow.op, join(bytes(slow.offset)), join(bytes(slow.length)),
    join(time(slow["total-ns"])), null, join(count(slow.depth)), `${slow.worker}, ${slow.activity ?? ""}`.replace(/, $/, "")];
  texts.forEach((text, i) => {
    if (text !== null) setText(row.children[i], text);
  });
  const stages = slow.stages ?? {}, cell = row.children[5], [stack, words] = cell.firstElementChild.children;
  const parts = STAGES.filter((stage) => stages[stage] > 0.005 * slow["total-ns"]).sort((a, b) => stages[b] - stages[a])
    .map((stage) => `${stage} ${join(time(stages[stage]))}`);
  fillStack(stack, stages, slow["total-ns"]);
  setText(words, parts.slice(0, 2).join(", "));
  setAttribute(cell, "title", parts.join(", "));
}

function drawSlow() {
  const requests = state.slow?.requests ?? [], threshold = state.slow?.["threshold-ns"];
  setText(byId("slow-note"), threshold > 0 ? `that took longer than ${join(time(threshold))}` : requests.length ? "the slowest" : "");
  byId("slow").hidden = !requests.length;
  byId("slow-empty").hidden = requests.length > 0;
  setText(byId("slow-empty"), resources.slow.problem ?? (state.slow ? "None so far." : "Loading…"));
  keepRows(document.querySelector("#slow tbody"), requests, (slow) => `${slow.at} ${slow.op} ${slow.offset} ${slow["total-ns"]}`,
    makeSlowRow, fillSlowRow);
}

/* ---------- Groups and workers ---------- */

function limitWords(limits) {
  const words = Object.entries(limits ?? {}).filter(([key, value]) => isNumber(value) && value > 0 && !/seconds$/.test(key))
    .map(([key, value]) => key.includes("bps") ? `${key} ${join(megabytes(value))} MB/s` : `${key} ${join(count(value))}`);
  return words.length ? words.join(", ") : "none";
}

function drawGroups() {
  const groups = state.stats?.groups ?? [], {before, stats} = state;
  const seconds = before ? (stats["time-ns"] - before["time-ns"]) / 1e9 : NaN;
  const old = new Map((before?.groups ?? []).map((group) => [group.name, group]));
  byId("groups").hidden = !groups.length;
  byId("groups-empty").hidden = !stats || groups.length > 0;
  keepRows(document.querySelector("#groups tbody"), groups, (group) => group.name,
    () => makeCells([["Group", "title"], ["Limits", "broad"], ["IOPS", "number"], ["MB/s", "number"], ["Held", "number"],
      ["Members", "broad"]]),
    (row, group) => {
      const then = old.get(group.name) ?? {};
      const members = state.rows.filter((disk) => disk.group === group.name).map((disk) => disk.name);
      const children = groups.filter((other) => other.parent === group.name).map((other) => `${other.name}/`);
      [group.parent ? `${group.name} (in ${group.parent})` : group.name, limitWords(group.limits),
        join(count(rate(then.requests, group.requests, seconds))), join(megabytes(rate(then.bytes, group.bytes, seconds))),
        join(count(group.held)), [...children, ...members].join(", ") || "nobody"]
        .forEach((text, i) => setText(row.children[i], text));
    });
}

function makeWorkerRow() {
  const row = makeCells([["Worker", "title"], ["CPU"], ["Waits for it", "number"], ["Polls/s", "number"],
    ["Sleeps/s", "number"], ["On CPUs"]]);
  row.children[1].append(element("span", {class: "meter", "aria-hidden": "true"}, element("span")), element("span"));
  return row;
}

function drawWorkers() {
  const workers = state.stats?.workers ?? [], {before, stats} = state;
  const elapsed = before ? stats["time-ns"] - before["time-ns"] : NaN;
  const old = new Map((before?.workers ?? []).map((worker) => [worker.index, worker]));
  byId("workers").hidden = !workers.length;
  byId("workers-empty").hidden = !stats || workers.length > 0;
  keepRows(document.querySelector("#workers tbody"), workers, (worker) => worker.index, makeWorkerRow, (row, worker) => {
    const then = old.get(worker.index) ?? {}, cpu = Math.min(rate(then["cpu-ns"], worker["cpu-ns"], elapsed), 1);
    const delay = Math.min(rate(then["run-delay-ns"], worker["run-delay-ns"], elapsed), 1);
    setText(row.children[0], `worker ${worker.index}`);
    row.children[1].firstElementChild.firstElementChild.style.width = `${isNumber(cpu) ? (100 * cpu).toFixed(0) : 0}%`;
    setText(row.children[1].lastElementChild, join(percent(cpu)));
    [join(percent(delay)), join(count(rate(then.turns, worker.turns, elapsed / 1e9))),
      join(count(rate(then.sleeps, worker.sleeps, elapsed / 1e9))), String(worker.cpus ?? UNKNOWN)]
      .forEach((text, i) => setText(row.children[i + 2], text));
  });
  const steal = rate(before?.host?.["steal-ns"], stats?.host?.["steal-ns"], elapsed) / (stats?.host?.["cpu-count"] || 1);
  setText(byId("steal"), isNumber(steal) ? `the hypervisor took ${join(percent(steal))} of the CPUs` : "");
}

/* ---------- Readings ---------- */

function drawAll() {
  drawSummary();
  drawNoisy();
  drawFleet();
  drawDetail();
  drawGroups();
  drawWorkers();
}

/* What is asked of the chosen disk: parameters, how often at most, and where the answer goes. */
const resources = {
  history: {
    method: "history.get",
    parameters: () => ({seconds: byId("heat-span").value, steps: Math.min(byId("heat-span").value, 150)}),
    every: () => Math.max(SECOND, byId("heat-span").value / 150 * SECOND), draw: drawHeat,
  },
  budget: {
    method: "budget.get",
    parameters: () => ({window: byId("budget-window").value, ...(byId("budget-op").value && {op: byId("budget-op").value})}),
    every: () => 2 * SECOND, draw: drawBudget,
  },
  slow: {method: "slow.get", parameters: () => ({limit: 20}), every: () => 3 * SECOND, draw: drawSlow},
  facts: {
    method: "disk.get", parameters: () => ({}), every: () => 10 * SECOND, named: "name",
    draw: () => drawFacts(state.rows.find((row) => row.name === state.chosen)),
  },
  profile: {
    method: "profile.get", parameters: () => ({}), every: () => 10 * SECOND,
    draw: () => drawFacts(state.rows.find((row) => row.name === state.chosen)),
  },
};

async function askFor(name) {
  const one = resources[name], disk = state.chosen, now = performance.now();
  if (one.busy || now - one.last < one.every() - 50 || now - (one.sent ?? -Infinity) < SECOND - 50) return;
  one.busy = true;
  one.last = one.sent = now;
  try {
    const answer = await ask(one.method, {[one.named ?? "disk"]: disk, ...one.parameters()});
    one.problem = null;
    if (disk === state.chosen) state[name] = answer;
  } catch (error) {
    one.problem = error instanceof Refused ? error.message : null;
    if (one.problem && disk === state.chosen) state[name] = {};
  } finally {
    one.busy = false;
  }
  if (disk === state.chosen) one.draw();
}

function askForDetails() {
  if (state.chosen === null || state.failures || !state.rows.some((row) => row.name === state.chosen)) return;
  for (const name of Object.keys(resources)) askFor(name);
}

function take(stats) {
  if (!stats || !Array.isArray(stats.disks)) throw new Refused("what straitd answered is no reading");
  state.before = state.stats && state.stats.epoch === stats.epoch && stats["time-ns"] > state.stats["time-ns"]
    ? state.stats : null;
  state.stats = stats;
  state.rows = rowsOf(stats, state.before);
  const there = new Set(state.rows.map((row) => row.name));
  for (const row of state.rows) {
    const points = state.sparks.get(row.name) ?? [];
    if (isNumber(row.iops)) points.push(row.iops);
    state.sparks.set(row.name, points.slice(-SPARK_POINTS));
  }
  for (const name of state.sparks.keys()) {
    if (!there.has(name)) state.sparks.delete(name);
  }
}

function showConnection() {
  const pill = byId("connection");
  const kind = state.failures ? "lost" : state.paused ? "paused" : state.stats ? "live" : "loading";
  setAttribute(pill, "data-state", kind);
  setText(pill, {lost: "no answer", paused: "paused", live: "live", loading: "connecting"}[kind]);
  document.body.classList.toggle("stale", kind === "lost" && state.stats !== null);
  byId("lost").hidden = kind !== "lost";
}

/* Doubled up to half a minute: a daemon that is away is not asked by a hundred pages at once when it comes back. */
const backOff = () => Math.min(SECOND * 2 ** (state.failures - 1), 30 * SECOND);

function failed(error) {
  state.failures++;
  const why = error instanceof Refused ? error.message : "straitd does not answer";
  setText(byId("lost"), `${why}. ${state.stats ? "These are the last numbers it gave. " : ""}` +
    `Trying again in ${Math.round(backOff() / SECOND)} s.`);
  if (state.failures === 1) announce("Connection to straitd lost");
}

let timer = null;
let asking = false;

async function tick() {
  clearTimeout(timer);
  timer = null;
  if (state.paused || document.hidden || asking) return;
  asking = true;
  const begun = performance.now();
  try {
    take(await ask("stats.get", {window: 2}));
    if (state.failures) announce("Connected to straitd again");
    state.failures = 0;
  } catch (error) {
    failed(error);
  }
  asking = false;
  clearTimeout(timer);
  timer = setTimeout(tick, state.failures ? backOff() : Math.max(SECOND - (performance.now() - begun), 0));
  showConnection();
  if (state.failures) return;
  chooseDisk();
  drawAll();
  askForDetails();
}

/* ---------- Theme, keys, and the beginning ---------- */

const darkSystem = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme === "dark" || theme === "auto" && darkSystem.matches;
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  setText(byId("theme"), `Theme: ${theme}`);
  remember("theme", theme);
  drawHeat();
}

const nextTheme = () => setTheme({auto: "light", light: "dark", dark: "auto"}[document.documentElement.dataset.theme]);

function setPaused(paused) {
  state.paused = paused;
  setAttribute(byId("pause"), "aria-pressed", paused);
  setText(byId("pause"), paused ? "Go on" : "Pause");
  showConnection();
  if (!paused) tick();
}

function goToDetail() {
  byId("detail").focus({preventScroll: true});
  byId("detail").scrollIntoView({block: "start"});
}

function nextSort() {
  const place = COLUMNS.findIndex((column) => column.key === state.sort);
  sortBy(COLUMNS[(place + 1) % COLUMNS.length].key);
}

const KEYS = {
  j: () => chooseNext(1), k: () => chooseNext(-1), "/": () => byId("filter").focus(), s: nextSort,
  r: () => sortBy(state.sort), d: goToDetail, p: () => setPaused(!state.paused), t: nextTheme,
  "?": () => byId("help").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape" && event.target === byId("filter")) {
      event.target.value = "";
      event.target.dispatchEvent(new Event("input"));
      event.target.blur();
    }
    return;
  }
  if (event.target === byId("heat") && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    event.preventDefault();
    moveCursor(event.key === "ArrowLeft" ? -1 : 1);
  } else if (Object.hasOwn(KEYS, event.key)) {
    event.preventDefault();
    KEYS[event.key]();
  }
}

function listen() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", tick);
  window.addEventListener("hashchange", () => {
    chooseDisk();
    if (matchMedia("(max-width: 760px)").matches && fromAddress() !== null) goToDetail();
  });
  byId("filter").addEventListener("input", (event) => {
    state.filter = event.target.value.trim();
    drawFleet();
  });
  byId("sort").addEventListener("change", (event) => sortBy(event.target.value));
  byId("show-all").addEventListener("click", () => {
    state.all = !state.all;
    drawFleet();
  });
  byId("pause").addEventListener("click", () => setPaused(!state.paused));
  byId("theme").addEventListener("click", nextTheme);
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
  for (const [id, name] of [["heat-span", "history"], ["budget-op", "budget"], ["budget-window", "budget"]]) {
    byId(id).addEventListener("change", () => {
      state[name] = state.cursor = null;
      resources[name].last = -Infinity;
      drawDetail();
      askForDetails();
    });
  }
  byId("heat").addEventListener("pointermove", pointAt);
  byId("heat").addEventListener("pointerleave", () => {
    state.cursor = null;
    drawHeat();
  });
  byId("heat").addEventListener("blur", () => {
    state.cursor = null;
    drawHeat();
  });
  byId("heat-details").addEventListener("toggle", drawHeat);
  darkSystem.addEventListener("change", drawHeat);
  new ResizeObserver(drawHeat).observe(byId("heat"));
}

async function begin() {
  for (const one of Object.values(resources)) one.last = -Infinity;
  const [sort, reverse] = (recall("sort") ?? "").split(" ");
  if (COLUMNS.some((column) => column.key === sort)) [state.sort, state.reverse] = [sort, reverse === "true"];
  makeFleetHead();
  byId("sort").value = state.sort;
  const theme = recall("theme");
  setTheme(theme === "light" || theme === "dark" ? theme : "auto");
  listen();
  showConnection();
  drawFleet();
  await tick();
  try {
    setText(byId("version"), `straitd ${(await ask("version")).version}`);
  } catch { /* It is not worth a word. */ }
}

begin();
