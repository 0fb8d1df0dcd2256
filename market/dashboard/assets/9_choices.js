// What is chosen: symbols, trends, panes, time, levels. It stands in the page's address, and in boxes to choose with.
"use strict";

(() => {
  const USUAL = { trends: ["ema_26", "vwap"], panes: ["volume", "macd", "levels"], span: "1d" };
  const BESIDE = 2; // symbols that are shown where nobody has chosen any
  const NONE = "none";
  const PANES = Object.entries(Market.PANES).map(([value, { title }]) => [value, title]);
  const SPANS = [["1h", "1 hour"], ["4h", "4 hours"], ["1d", "1 day"], ["5d", "5 days"]];

  const list = (text) => (text && text !== NONE ? text.split(",").filter(Boolean) : []);
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const readable = (text) => encodeURIComponent(text).replace(/%2C/g, ",").replace(/%3A/g, ":");

  // Levels in the address: `aapl:newest:28217310` is symbol, support, resistance.
  const levelsOf = (text) => Object.fromEntries(list(text).map((part) => part.split(":"))
    .filter((part) => part.length === 3).map(([key, support, resistance]) => [key, { support, resistance }]));

  Market.Choices = class {
    // `symbols`, `trends`: what is offered. `most`: symbols at once. `onChoice(group)`: somebody has chosen something.
    constructor({ symbols, trends, most }, onChoice) {
      Object.assign(this, { offered: { symbols, trends }, most, onChoice });
      this._read(new URLSearchParams(location.search));
      this._show();
      document.getElementById("choose").addEventListener("change", ({ target }) => this._choose(target.name));
    }

    // What else is offered now; which groups are others than before.
    offer(symbols, trends) {
      const others = [];
      if (!same(trends, this.offered.trends)) others.push("trends");
      if (!same(symbols, this.offered.symbols)) {
        if (!this.symbols.length && !this.offered.symbols.length) this.symbols = this._usual(symbols);
        others.push("symbols");
      }
      this.offered = { symbols, trends };
      this._show();
      return others;
    }

    // The symbols that are chosen, as they are offered and in that order; others after them.
    get wanted() {
      const known = this.offered.symbols.filter(({ key }) => this.symbols.includes(key));
      const unknown = this.symbols.filter((key) => !this.offers(key)).map((key) => ({ key, name: key.toUpperCase() }));
      return [...known, ...unknown];
    }

    offers(key) { return this.offered.symbols.some((one) => one.key === key); }

    get lines() { return Market.lines(this.offered.trends, this.trends, this.panes); }

    // Other levels of a symbol.
    setLevels(key, chosen) {
      this.levels[key] = chosen;
      this._write();
    }

    _usual(symbols) { return symbols.slice(0, BESIDE).map(({ key }) => key); }

    _read(given) {
      const chosen = (name, usual) => (given.has(name) ? list(given.get(name)) : [...usual]);
      this.symbols = chosen("symbols", this._usual(this.offered.symbols)).slice(0, this.most);
      this.trends = chosen("trends", USUAL.trends);
      this.panes = chosen("panes", USUAL.panes);
      this.span = SPANS.some(([value]) => value === given.get("span")) ? given.get("span") : USUAL.span;
      this.levels = levelsOf(given.get("levels"));
    }

    _write() {
      const levels = Object.entries(this.levels).filter(([key, { support, resistance }]) =>
        this.symbols.includes(key) && !(support === "newest" && resistance === "newest"));
      const parts = {
        symbols: this.symbols.join(",") || NONE, trends: this.trends.join(",") || NONE, panes: this.panes.join(",") || NONE,
        span: this.span, levels: levels.map(([key, { support, resistance }]) => `${key}:${support}:${resistance}`).join(","),
      };
      const query = Object.entries(parts).filter(([, value]) => value).map(([name, value]) => `${name}=${readable(value)}`);
      history.replaceState(history.state, "", `${location.pathname}?${query.join("&")}`);
    }

    // Symbols that are not offered (yet) stay.
    _choose(group) {
      const checked = [...document.querySelectorAll(`input[name=${group}]:checked`)].map((box) => box.value);
      const unknown = group === "symbols" ? this.symbols.filter((key) => !this.offers(key)) : [];
      this[group] = group === "span" ? checked[0] : [...checked, ...unknown];
      this._show();
      this._write();
      this.onChoice(group);
    }

    _show() {
      this._boxes("symbols", "checkbox", this.offered.symbols.map(({ key, name }) => [key, name]), this.most);
      this._boxes("trends", "checkbox", this.offered.trends.map(({ value, label }) => [value, label]));
      this._boxes("panes", "checkbox", PANES);
      this._boxes("span", "radio", SPANS);
    }

    // The boxes of a group. Nothing is touched where they are as they should be: one of them may have the focus.
    _boxes(group, type, options, most = Infinity) {
      const place = document.querySelector(`#${group} div`);
      if (place.dataset.options !== JSON.stringify(options)) {
        place.dataset.options = JSON.stringify(options);
        place.replaceChildren(...options.map(([value, label]) =>
          Market.make("label", {}, Market.make("input", { type, name: group, value }), label)));
      }
      const chosen = [].concat(this[group]);
      for (const box of place.querySelectorAll("input")) {
        box.checked = chosen.includes(box.value);
        box.disabled = !box.checked && chosen.length >= most;
      }
    }
  };
})();
