"use strict";
// Draws the charts, keeps the lists sorted and filtered, and switches language and theme.
// Text from the data reaches the page as textContent only, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);
  let language = root.lang.startsWith("zh") ? "zh" : "en";

  const say = (key, values = {}) =>
    (data.text[language][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  const locale = () => (language === "zh" ? "zh-CN" : "en-US");
  const number = (value, digits, cents = false) =>
    value === null || value === undefined ? "–"
      : new Intl.NumberFormat(locale(), { minimumFractionDigits: cents ? digits : 0, maximumFractionDigits: digits ?? (Math.abs(value) >= 100 ? 0 : 1) }).format(value);
  const money = (value) => (value === null || value === undefined ? "–" : (value < 0 ? "−" : "") + data.symbol
    + number(Math.abs(value), Math.abs(value) >= 100 ? 0 : 2, true));
  const days = (value) => number(value, Math.abs(value) >= 10 ? 0 : 1, true);
  // Sample paths cannot tell a rare event from an impossible one: rounding must not say so either.
  const percent = (share) => (share >= 0.995 ? ">99%" : share < 0.005 ? "<1%" : Math.round(100 * share) + "%");
  const make = (tag, kind, text) => {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    if (text !== undefined && text !== null) element.textContent = text;
    return element;
  };

  // --- charts ------------------------------------------------------------------------------------------------

  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const marker = /@([tnc]):([\w-]+(?:\.[\w-]+)*)/g;

  /** A figure with its markers filled: @t:key and @n:group.word by texts, @c:name by colours. */
  const resolve = (value, colours) => {
    if (typeof value === "string") {
      if (!value.includes("@")) return value;
      if (value.startsWith("@n:")) return data.text[language]["n:" + value.slice(3)] ?? value;
      return value.replace(marker, (whole, kind, name) =>
        kind === "c" ? colours[name] ?? whole : data.text[language][kind + ":" + name] ?? whole);
    }
    if (Array.isArray(value)) return value.map((v) => resolve(v, colours));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) =>
        // Data and labels of products are final: a product named "@c:ink" keeps its name.
        [k, k === "customdata" || k === "text" && Array.isArray(v) || k === "x" ? v : resolve(v, colours)]));
    }
    return value;
  };

  const ahead = data.dates.slice(data.past);
  const fan = (place, height) => {
    const [, , , , , , past, values] = data.series[place];
    const spec = structuredClone(data.figures.fan);
    const dates = data.dates.slice(data.past - past.length, data.past);
    const at = (name) => values[data.quantiles.indexOf(name)] ?? [];
    for (const trace of spec.data) {
      const history = trace.meta === "history";
      trace.x = history ? dates : ahead;
      trace.y = history ? past : at(trace.meta);
      if (trace.meta === "q0.5") trace.customdata = at("q0.1").map((low, i) => [low, at("q0.9")[i]]);
    }
    if (data.past) {
      const today = data.dates[data.past - 1];
      spec.layout.shapes = [{ type: "line", x0: today, x1: today, y0: 0, y1: 1, yref: "paper", layer: "below",
        line: { width: 1, dash: "dot", color: "@c:steady" } }];
    }
    spec.layout.height = height;
    if (height > 200) spec.layout.xaxis.nticks = 8;
    return spec;
  };

  /** A radar on a phone: no names over the dots, ticks at powers of ten only; tapping a dot tells its name. */
  const slim = (spec) => {
    for (const trace of spec.data) trace.mode = "markers";
    const axis = spec.layout.xaxis;
    const kept = axis.tickvals.map((value, i) => [value, axis.ticktext[i]]).filter(([value]) => Number.isInteger(Math.log10(value)));
    if (kept.length > 1) [axis.tickvals, axis.ticktext] = [kept.map(([value]) => value), kept.map(([, text]) => text)];
    return spec;
  };

  const draw = (element) => {
    const place = element.dataset.series;
    const spec = place === undefined ? data.figures[element.dataset.figure] : fan(Number(place), Number(element.dataset.height || 190));
    if (!spec) return;
    const colours = data.palette[dark() ? "dark" : "light"];
    const narrow = element.clientWidth < 480 && (element.dataset.figure ?? "").startsWith("radar");
    const filled = narrow ? slim(resolve(spec, colours)) : resolve(spec, colours);
    Plotly.react(element, filled.data, filled.layout, { displayModeBar: false, responsive: true, doubleClick: false });
    element.dataset.drawn = "";
  };
  const visible = (element) => element.offsetParent !== null;
  const redraw = () => all(".plot[data-drawn]").filter(visible).forEach(draw);
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "400px" });
  const watch = (within = document) => all(".plot:not([data-drawn])", within).forEach((e) => seen.observe(e));

  // --- switches ----------------------------------------------------------------------------------------------

  for (const group of all(".switch")) {
    group.addEventListener("click", (event) => {
      const pressed = event.target.closest("button");
      if (!pressed) return;
      for (const button of all("button", group)) {
        const on = button === pressed;
        button.setAttribute("aria-pressed", String(on));
        const shown = document.querySelector(`[data-panel="${button.dataset.show}"]`);
        if (shown) {
          shown.hidden = !on;
          if (on) all(".plot", shown).forEach(draw);
        }
      }
    });
  }

  const remember = (key, value) => { try { localStorage.setItem("windvane." + key, value); } catch { /* file:// may refuse */ } };
  const recall = (key) => { try { return localStorage.getItem("windvane." + key); } catch { return null; } };

  by("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    remember("theme", root.dataset.theme);
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => { all(".plot").filter(visible).forEach(draw); });

  const speak = () => {
    root.lang = language === "zh" ? "zh-CN" : "en";
    for (const element of all(`[data-${language}]`)) element.textContent = element.dataset[language];
    for (const name of ["aria-label", "placeholder"]) {
      const held = `data-${language}-${name}`;
      for (const element of all(`[${held}]`)) element.setAttribute(name, element.getAttribute(held));
    }
    redraw();
    if (picked !== null) showPicked(picked);
    fillOrders();
  };
  by("language").addEventListener("click", () => { language = language === "zh" ? "en" : "zh"; speak(); });

  // --- any product -------------------------------------------------------------------------------------------

  const normal = (text) => String(text ?? "").normalize("NFKC").toLowerCase();
  let picked = null;

  const showPicked = (place) => {
    picked = place;
    const [sku, location, title, category, revenue, expected] = data.series[place];
    const figure = make("figure", "fan");
    const caption = make("figcaption");
    caption.append(make("b", "", title));
    caption.append(make("span", "under", [sku, category, data.places ? location : ""].filter(Boolean).join(" · ")));
    caption.append(make("span", "numbers",
      say("report.fans.revenue", { money: money(revenue) }) + " · " + say("report.fans.expected", { units: number(expected) })));
    const plot = make("div", "plot");
    plot.dataset.series = place;
    plot.dataset.height = 320;
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", say("report.fans.chart", { title }));
    figure.append(caption, plot);
    by("picked").replaceChildren(figure);
    draw(plot);
  };

  const finder = by("find");
  if (finder) {
    const found = by("found");
    const index = data.series.map(([sku, location, title, category]) => normal([title, sku, category, location].join(" ")));
    let active = -1;
    const close = () => { found.hidden = true; finder.setAttribute("aria-expanded", "false"); finder.removeAttribute("aria-activedescendant"); };
    const choose = (place) => { finder.value = data.series[place][2]; close(); showPicked(place); };
    const mark = (next) => {
      const options = all("[role=option]", found);
      if (!options.length) return;
      active = (next + options.length) % options.length;
      options.forEach((option, i) => option.setAttribute("aria-selected", String(i === active)));
      options[active].scrollIntoView({ block: "nearest" });
      finder.setAttribute("aria-activedescendant", options[active].id);
    };
    const suggest = () => {
      const words = normal(finder.value).split(/\s+/).filter(Boolean);
      const hits = [];
      for (let i = 0; i < index.length && hits.length < 8; i++) if (words.every((w) => index[i].includes(w))) hits.push(i);
      active = -1;
      found.replaceChildren(...hits.map((place) => {
        const [sku, location, title, category] = data.series[place];
        const option = make("li", "", title);
        option.id = "found-" + place;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.append(make("small", "", [sku, category, data.places ? location : ""].filter(Boolean).join(" · ")));
        option.addEventListener("mousedown", (event) => { event.preventDefault(); choose(place); });
        return option;
      }));
      if (!hits.length) found.append(make("li", "none", say("report.fans.search_none")));
      found.hidden = false;
      finder.setAttribute("aria-expanded", "true");
    };
    finder.addEventListener("input", suggest);
    finder.addEventListener("focus", suggest);
    finder.addEventListener("blur", close);
    finder.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (found.hidden) suggest();
        mark(active + (event.key === "ArrowDown" ? 1 : -1));
      } else if (event.key === "Enter") {
        const option = all("[role=option]", found)[Math.max(active, 0)];
        if (option && !found.hidden) choose(Number(option.id.slice(6)));
      } else if (event.key === "Escape") close();
    });
  }

  // --- reorder list ------------------------------------------------------------------------------------------

  const STEP = 50;
  const orders = by("orders");
  const column = Object.fromEntries(data.reorder.columns.map((name, i) => [name, i]));
  const view = { sort: "money_at_stake", down: true, limit: 25 };
  const rows = data.reorder.rows.map((row, i) => ({ row, place: i, text: normal([row[column.title], row[column.sku], row[column.category], row[column.location], row[column.supplier]].join(" ")) }));
  const places = new Set(data.reorder.rows.map((row) => row[column.location])).size > 1;

  const matching = () => {
    const words = normal(by("filter").value).split(/\s+/).filter(Boolean);
    const only = by("only-now").checked;
    const at = column[view.sort];
    const kept = rows.filter(({ row, text }) => (!only || row[column.order_now] > 0) && words.every((w) => text.includes(w)));
    const sign = view.down ? -1 : 1;
    return kept.sort((a, b) => {
      const x = a.row[at], y = b.row[at];
      if (x === y) return a.place - b.place;
      if (x === null) return 1;
      if (y === null) return -1;
      return sign * (typeof x === "string" ? x.localeCompare(y, locale(), { numeric: true }) : x - y);
    });
  };

  const cell = (kind, name, text) => {
    const td = make("td", kind, text);
    td.dataset.name = name;
    return td;
  };

  const line = ({ row, place }) => {
    const get = (name) => row[column[name]];
    const tr = make("tr");
    const product = make("td");
    product.append(make("div", "name", get("title")));
    product.append(make("div", "under", [get("sku") === get("title") ? "" : get("sku"), get("category"), places ? get("location") : "", get("supplier")].filter(Boolean).join(" · ")));
    product.append(make("div", "why", data.reorder.why[language][place]));
    const assumed = (get("assumed") ?? "").split(",").map((word) => word.trim())
      .filter((word) => word && !data.reorder.common.includes(word));
    if (assumed.length) {
      const badges = make("div", "badges");
      for (const word of assumed) badges.append(make("span", "badge", data.text[language]["report.assumed." + word] ?? word));
      product.append(badges);
    }
    const risk = cell("risk", say("report.reorder.risk"));
    const share = get("risk_if_skipped");
    risk.append(share === null ? "–" : percent(share));
    const meter = make("span", "meter");
    const fill = make("i");
    fill.style.width = 100 * (share ?? 0) + "%";
    meter.setAttribute("aria-hidden", "true");
    meter.append(fill);
    risk.append(meter);
    tr.append(product,
      cell("num strong", say("report.reorder.order_now"), get("order_now") > 0 ? number(get("order_now")) : "–"),
      cell("num", say("report.reorder.order_value"), get("order_now") > 0 ? money(get("order_value")) : "–"),
      cell("num", say("report.reorder.on_hand"), number(get("on_hand")) + (get("on_order") > 0 ? " + " + number(get("on_order")) : "")),
      cell("num", say("report.reorder.days_of_supply"), days(get("days_of_supply"))),
      risk,
      cell("num strong", say("report.reorder.stake"), money(get("money_at_stake"))));
    return tr;
  };

  function fillOrders() {
    if (!orders) return;
    const kept = matching();
    const body = orders.tBodies[0];
    body.replaceChildren(...kept.slice(0, view.limit).map(line));
    if (!kept.length) {
      const tr = make("tr");
      const td = make("td", "empty", say("report.reorder.no_match"));
      td.colSpan = 7;
      tr.append(td);
      body.append(tr);
    }
    by("lines").textContent = say("report.reorder.count", { shown: number(kept.length, 0), total: number(data.reorder.total, 0) });
    const left = kept.length - view.limit;
    by("more").hidden = left <= 0;
    by("more").textContent = say("report.show_more", { count: number(Math.min(STEP, left), 0) });
    for (const head of all("th", orders)) {
      if (head.dataset.column === view.sort) head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  /** A CSV cell; text that a spreadsheet would run as a formula gets an apostrophe. */
  const csv = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const safe = /^(?:[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|[\t\r])/u.test(value) ? "'" + value : value;
    return /[",\r\n]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
  };

  if (orders) {
    orders.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("th");
      if (!head) return;
      const name = head.dataset.column;
      view.down = view.sort === name ? !view.down : name !== "title" && name !== "days_of_supply" && name !== "on_hand";
      view.sort = name;
      fillOrders();
    });
    const again = () => { view.limit = 25; fillOrders(); };
    by("filter").addEventListener("input", again);
    by("only-now").addEventListener("change", again);
    by("more").addEventListener("click", () => { view.limit += STEP; fillOrders(); });
    addEventListener("beforeprint", () => { view.limit = Math.max(view.limit, 50); fillOrders(); });
    by("download").addEventListener("click", () => {
      const names = [...data.reorder.columns, "why"];
      const body = matching().map(({ row, place }) => [...row, data.reorder.why[language][place]].map(csv).join(","));
      const file = new Blob(["\ufeff" + [names.join(","), ...body].join("\r\n") + "\r\n"], { type: "text/csv;charset=utf-8" });
      const link = make("a");
      link.href = URL.createObjectURL(file);
      link.download = "reorder.csv";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  const theme = recall("theme");
  if (theme) root.dataset.theme = theme;
  fillOrders();
  watch();
})();
