// The page: what is chosen (and kept in its address), the question to the server again and again, and what is said of it.
"use strict";

(() => {
  const EVERY = 800; // ms between two questions
  const PATIENCE = 8000; // ms for an answer
  const USUAL = { trends: ["ema_26", "vwap"], panes: ["volume", "macd", "levels"], span: "1d" };
  const BESIDE = 2; // symbols that are shown where nobody has chosen any
  const NARROW = 600; // px: there the choices are folded up at first

  const state = { symbols: [], trends: [], panes: [], span: "", levels: {}, all: [], offered: [] };
  const panels = Market.panels = new Map();
  const PANES = Object.entries(Market.PANES).map(([value, { title }]) => [value, title]);
  const SPANS = [["1h", "1 hour"], ["4h", "4 hours"], ["1d", "1 day"], ["5d", "5 days"]];
  let clock, timer, asking, settings, away = null;

  const byId = (id) => document.getElementById(id);
  const list = (text) => (text ? text.split(",").filter(Boolean) : []);
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

  // Levels in the address: `aapl:newest:28217310` is symbol, support, resistance.
  const levelsOf = (text) => Object.fromEntries(list(text).map((part) => part.split(":"))
    .filter((part) => part.length === 3).map(([key, support, resistance]) => [key, { support, resistance }]));

  const address = () => {
    const levels = Object.entries(state.levels).filter(([key, one]) =>
      state.symbols.includes(key) && (one.support !== "newest" || one.resistance !== "newest"));
    const parts = { symbols: state.symbols.join(","), trends: state.trends.join(",") || "none",
      panes: state.panes.join(",") || "none", span: state.span,
      levels: levels.map(([key, one]) => `${key}:${one.support}:${one.resistance}`).join(",") };
    const query = Object.entries(parts).filter(([, value]) => value)
      .map(([name, value]) => `${name}=${encodeURIComponent(value).replace(/%2C/g, ",").replace(/%3A/g, ":")}`);
    history.replaceState(history.state, "", `${location.pathname}?${query.join("&")}`);
  };

  const chosenOf = (given, usual) => (given === null ? [...usual] : given === "none" ? [] : list(given));

  // What the address says, or what is usual.
  const restore = () => {
    const given = new URLSearchParams(location.search);
    state.levels = levelsOf(given.get("levels"));
    state.symbols = list(given.get("symbols"));
    if (!state.symbols.length) state.symbols = state.all.slice(0, BESIDE).map(({ key }) => key);
    state.trends = chosenOf(given.get("trends"), USUAL.trends);
    state.panes = chosenOf(given.get("panes"), USUAL.panes);
    state.span = SPANS.some(([value]) => value === given.get("span")) ? given.get("span") : USUAL.span;
  };

  // The boxes of a group. Nothing is touched where they are as they should be: one of them may have the focus.
  const boxes = (group, kind, options) => {
    const place = byId(group).querySelector("div");
    if (place.dataset.options !== JSON.stringify(options)) {
      place.dataset.options = JSON.stringify(options);
      place.replaceChildren(...options.map(([value, label]) =>
        Market.make("label", {}, Market.make("input", { type: kind, name: group, value }), label)));
    }
    const chosen = [].concat(state[group]);
    for (const box of place.querySelectorAll("input")) box.checked = chosen.includes(box.value);
  };

  const offerAll = () => {
    boxes("symbols", "checkbox", state.all.map(({ key, name }) => [key, name]));
    boxes("trends", "checkbox", state.offered.map(({ value, label }) => [value, label]));
    boxes("panes", "checkbox", PANES);
    boxes("span", "radio", SPANS);
  };

  // Somebody has chosen something. Symbols that are not offered (yet) stay.
  const choose = ({ target }) => {
    const group = target.name;
    const checked = [...document.querySelectorAll(`input[name=${group}]:checked`)].map((box) => box.value);
    if (group === "span") state.span = checked[0];
    else if (group === "symbols") {
      const unknown = state.symbols.filter((key) => !state.all.some((one) => one.key === key));
      state.symbols = [...checked, ...unknown];
    } else state[group] = checked;
    lay();
    if (group === "trends" || group === "panes") for (const panel of panels.values()) panel.draw(lines());
    if (group === "span") for (const panel of panels.values()) panel.show(state.span);
    address();
    ask();
  };

  const lines = () => Market.lines(state.offered, state.trends, state.panes);

  const begin = () => {
    settings = JSON.parse(byId("settings").textContent);
    clock = new Market.Clock(settings.zone);
    [state.all, state.offered] = [settings.symbols, settings.trends];
    restore();
    offerAll();
    if (innerWidth < NARROW) byId("choose").open = false;
    byId("choose").addEventListener("change", choose);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
    lay();
    ask();
  };

  // A panel for each symbol that is chosen, in the order that they are offered in.
  const lay = () => {
    const place = (key) => { const at = state.all.findIndex((one) => one.key === key); return at < 0 ? Infinity : at; };
    const wanted = [...state.symbols].sort((one, other) => place(one) - place(other));
    for (const [key, panel] of panels) {
      if (!wanted.includes(key)) { panel.end(); panels.delete(key); }
    }
    const charts = byId("charts");
    wanted.forEach((key, index) => {
      if (!panels.has(key)) {
        const symbol = state.all.find((one) => one.key === key) || { key, name: key.toUpperCase() };
        const panel = new Market.Panel(symbol, clock, panels.size === 0, state.levels[key], () => {
          state.levels[key] = panel.levels.chosen;
          address();
        });
        panel.draw(lines());
        panels.set(key, panel);
      }
      const element = panels.get(key).element;
      if (charts.children[index] !== element) charts.insertBefore(element, charts.children[index] || null);
    });
  };

  const ask = async () => {
    clearTimeout(timer);
    if (asking) asking.abort();
    const mine = asking = new AbortController();
    const late = setTimeout(() => mine.abort("late"), PATIENCE);
    const fields = Market.fieldsOf(lines()).join(",");
    const known = [...panels.entries()].filter(([, panel]) => panel.fields === fields);
    const question = new URLSearchParams({
      symbols: [...panels.keys()].join(","), fields, since: known.map(([key, panel]) => `${key}:${panel.place}`).join(","),
    });
    try {
      const response = await fetch(`/candles?${question}`, { signal: mine.signal });
      if (!response.ok) throw new Error(`${response.status}`);
      const answer = await response.json();
      if (asking === mine) take(answer, fields);
    } catch (error) {
      if (asking === mine) unanswered();
    } finally {
      clearTimeout(late);
      if (asking === mine) {
        asking = null;
        if (!document.hidden) timer = setTimeout(ask, EVERY);
      }
    }
  };

  const unanswered = () => {
    const now = Date.now() / 1000;
    away = away || now;
    if (now - away < 2) return;
    lose("the dashboard's server does not answer",
      `The dashboard's server has not answered since ${clock.second(away)} exchange time: charts show what was known then. Asking again.`);
  };

  // `fields`: what was asked for.
  const take = (answer, fields) => {
    away = null;
    offer(answer);
    const known = answer.database.state === "answers";
    for (const [key, panel] of panels) {
      const unknown = known && !state.all.some((one) => one.key === key);
      const chart = unknown ? null : answer.charts[key];
      if (chart === null) nothing(panel);
      panel.take(chart, fields, state.span);
      if (known) panel.age(answer, settings.staleAfter);
    }
    standing(answer.database);
    news();
  };

  const news = () => {
    const all = [...panels.values()];
    const stale = all.filter((panel) => panel.state === "stale").map((panel) => panel.symbol.name);
    const together = (how) => all.length && all.every((panel) => panel.state === how);
    Market.say(byId("news"), stale.length ? `Stale: ${stale.join(", ")}` : together("live") ? "All live" :
      together("closed") ? "Exchange closed" : "");
  };

  const offer = ({ symbols, trends, database }) => {
    const empty = database.state === "answers" && !symbols.length && !panels.size;
    const before = byId("nothing");
    if (empty && !before) byId("charts").prepend(Market.make("div", { id: "nothing", className: "empty" }, ...instructions(
      `The database ${settings.base} holds no candles yet.`)));
    if (!empty && before) before.remove();
    if (!same(trends, state.offered)) {
      state.offered = trends;
      for (const panel of panels.values()) panel.draw(lines());
    }
    if (!same(symbols, state.all)) {
      if (!state.symbols.length && !state.all.length) state.symbols = symbols.slice(0, BESIDE).map(({ key }) => key);
      state.all = symbols;
      lay();
    }
    offerAll();
  };

  const instructions = (what) => [
    Market.make("p", {}, Market.make("strong", { textContent: what })),
    Market.make("p", { textContent: "Candles come from the feed, and get their indicators from the service candles. Start both:" }),
    Market.make("pre", {}, Market.make("code", { textContent: `${settings.fills}\n${settings.computes}` })),
    Market.make("p", {}, "Or see all of it on this machine, with made-up prices: ", Market.make("code", { textContent: settings.shows })),
    Market.make("p", { textContent: "This page shows them as soon as they are there." }),
  ];

  const nothing = (panel) => {
    if (!panel.at.empty.children.length) panel.at.empty.append(...instructions(`No candles of ${panel.symbol.name} yet.`));
  };

  const standing = ({ state: how, since, why }) => {
    if (how === "away" || how === "refuses") {
      const what = how === "away" ? "is away" : "refuses to be read";
      lose(`the database ${what}`, `The database ${settings.base} ${what} since ${clock.second(since)} exchange time: ` +
        `charts show what was known then. Asking again. (${why})`);
    } else {
      Market.say(byId("alarm"), "");
    }
  };

  const lose = (why, text) => {
    for (const panel of panels.values()) panel.lost(why);
    Market.say(byId("alarm"), text);
  };

  begin();
})();
