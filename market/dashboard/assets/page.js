// The page: a panel for each symbol, the question to the server again and again, and what is said of it.
"use strict";

(() => {
  const EVERY = 800; // ms between two questions
  const PATIENCE = 8000; // ms for an answer
  const PASSING = 2; // seconds without an answer that nothing is said of
  const NARROW = 600; // px: there the choices are folded up at first

  const panels = Market.panels = new Map();
  const byId = (id) => document.getElementById(id);
  const settings = JSON.parse(byId("settings").textContent);
  const clock = new Market.Clock(settings.zone);
  let timer, asking, away = null;

  const chosen = (group) => {
    lay();
    if (group === "trends" || group === "panes") draw();
    if (group === "span") for (const panel of panels.values()) panel.show(choices.span);
    ask();
  };

  const draw = () => { for (const panel of panels.values()) panel.draw(choices.lines); };

  // A panel for each symbol that is chosen; the first of them bears the mark of the charts' maker.
  const lay = () => {
    const wanted = choices.wanted;
    for (const [key, panel] of panels) {
      if (wanted.some((symbol) => symbol.key === key)) continue;
      panel.end();
      panels.delete(key);
    }
    const charts = byId("charts");
    wanted.forEach((symbol, index) => {
      const panel = panels.get(symbol.key) || begun(symbol);
      panel.plot.mark(index === 0);
      if (charts.children[index] !== panel.element) charts.insertBefore(panel.element, charts.children[index] || null);
    });
  };

  const begun = (symbol) => {
    const panel = new Market.Panel(symbol, clock, choices.levels[symbol.key],
      () => choices.setLevels(symbol.key, panel.levels.chosen));
    panel.draw(choices.lines);
    panels.set(symbol.key, panel);
    return panel;
  };

  const ask = async () => {
    clearTimeout(timer);
    if (asking) asking.abort();
    const mine = asking = new AbortController();
    const late = setTimeout(() => mine.abort("late"), PATIENCE);
    const fields = Market.fieldsOf(choices.lines).join(",");
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
    if (now - away < PASSING) return;
    lose("the dashboard's server does not answer", `The dashboard's server has not answered since ${clock.second(away)} ` +
      "exchange time: charts show what was known then. Asking again.");
  };

  // `fields`: what was asked for.
  const take = (answer, fields) => {
    away = null;
    const known = answer.database.state === "answers";
    offer(answer, known);
    for (const [key, panel] of panels) {
      const chart = known && !choices.offers(key) ? null : answer.charts[key];
      if (chart === null) nothing(panel);
      panel.take(chart, fields, choices.span);
      if (known) panel.age(answer, settings.staleAfter);
    }
    standing(answer.database);
    news();
  };

  const offer = ({ symbols, trends }, known) => {
    const others = choices.offer(symbols, trends);
    if (others.includes("trends")) draw();
    if (others.includes("symbols")) lay();
    const empty = known && !symbols.length && !panels.size;
    const before = byId("nothing");
    if (!empty && before) before.remove();
    if (!empty || before) return;
    const said = instructions(`The database ${settings.base} holds no candles yet.`);
    byId("charts").append(Market.make("div", { id: "nothing", className: "empty" }, ...said));
  };

  const news = () => {
    const all = [...panels.values()];
    const stale = all.filter((panel) => panel.state === "stale").map((panel) => panel.symbol.name);
    const together = (how) => all.length && all.every((panel) => panel.state === how);
    Market.say(byId("news"), stale.length ? `Stale: ${stale.join(", ")}` : together("live") ? "All live" :
      together("closed") ? "Exchange closed" : "");
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

  const choices = new Market.Choices(settings, chosen);
  if (innerWidth < NARROW) byId("choose").open = false;
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  lay();
  ask();
})();
