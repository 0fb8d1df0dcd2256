// One symbol on the page: name, newest price, how fresh it is, levels to choose, legend, chart, and the table behind it.
"use strict";

(() => {
  const LONGEST = 500; // rows of a table
  const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
  const KEYS = "Left and right move a cursor, with shift by ten; plus and minus zoom; home and end go to the first and the " +
    "newest; escape leaves. The table below says the same.";
  const LEVELS = { support: "Support", resistance: "Resistance" };

  const make = (tag, properties = {}, ...children) => {
    const found = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name === "role" || name.startsWith("aria-")) found.setAttribute(name, value); else found[name] = value;
    }
    found.append(...children);
    return found;
  };
  const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  Market.make = make;
  Market.say = say;

  // Decimals that prices are written with.
  const digitsOf = (rows) => {
    let most = 2;
    for (let row = Math.max(0, rows.length - 50); row < rows.length; row++) {
      const written = String(rows.value("close", row)).split(".")[1] || "";
      most = Math.max(most, written.length);
    }
    return Math.min(most, 6);
  };

  Market.Panel = class {
    // `symbol`: key and name. `levels`: what was chosen before. `onLevels()`: another choice.
    constructor(symbol, clock, marked, levels, onLevels) {
      Object.assign(this, { symbol, clock, onLevels, rows: new Market.Rows(), range: [0, 0] });
      Object.assign(this, { place: "", fields: null, heard: null, state: "empty" });
      this.levels = { support: "newest", resistance: "newest", ...levels };
      this.digits = 2;
      this._whens = new Map();
      this._offered = { support: [], resistance: [] };
      this.waiting = new Set();
      this._build();
      this.plot = new Market.Plot(this.at.plot, clock, marked, (row) => this._tell(row), (...range) => this._seen(...range));
      this.inSight = true;
      this.sight = new IntersectionObserver((seen) => {
        this.inSight = seen[seen.length - 1].isIntersecting;
        if (this.inSight && this.waiting && this.waiting.size) this._drawWaiting();
      }, { rootMargin: "200px" });
      this.sight.observe(this.at.plot);
    }

    // What the server says of this symbol, asked for `fields`. `undefined`: it does not know yet; null: no candles.
    take(chart, fields, span) {
      this.at.empty.hidden = chart !== null;
      this.at.body.hidden = chart === null;
      if (chart === null) Object.assign(this, { place: "", fields: null }).rows.clear();
      if (!chart) return;
      this.fields = fields;
      const first = !this.rows.length;
      [this.place, this.heard] = [chart.place, chart.heard];
      if (!chart.whole && !chart.rows.minutes.length) return;
      const changed = this.rows.take(chart.rows, chart.whole);
      if (changed === null) this.digits = digitsOf(this.rows);
      this._offerLevels();
      if (changed === null) this.waiting = null; else if (this.waiting) for (const row of changed) this.waiting.add(row);
      if (this.inSight || this.waiting === null) this._drawWaiting();
      if (first) this.show(span);
      this._tell(this.plot.cursor);
      this._fill();
      performance.mark(`chart ${this.symbol.key}`);
    }

    // What has come since it was drawn. A chart that is out of sight waits until it is in sight.
    _drawWaiting() {
      const changed = this.waiting && [...this.waiting].sort((one, other) => one - other);
      this.waiting = new Set();
      if (!this.rows.length) return;
      if (changed === null || !this.plot.update(changed)) {
        this.plot.draw(this.rows, this.lines, this.digits, this._chosen());
        this._drawnLevels = null;
      } else {
        this._followLevels();
      }
    }

    // Other lines; the rows have their figures once the server was asked for them.
    draw(lines) {
      this.lines = lines;
      this.element.style.setProperty("--panes", String(new Set(lines.map((line) => line.of).filter(Boolean)).size));
    }

    // Show the last so many minutes of trading, the last day, or all.
    show(span) {
      const last = this.rows.length - 1;
      if (last < 0) return;
      const first = { "1h": last - 59, "4h": last - 239, "1d": this.rows.dayOf(last, this.clock), "5d": 0 }[span];
      this.plot.showFrom(Math.max(first, 0));
    }

    // Says how old it is. `clock`: the server's, in seconds. `market`: its hours. What comes outside of these is live too.
    age({ clock, market }, staleAfter) {
      this.state = "empty";
      if (!this.rows.length) return;
      const newest = this.rows.minutes[this.rows.length - 1];
      const missing = market.due - (newest + 1) * 60;
      const heard = this.heard !== null && clock - this.heard <= staleAfter;
      if (missing > staleAfter) this.state = heard ? "live" : "stale";
      else this.state = market.open || (missing < 0 && heard) ? "live" : "closed";
      const said = {
        live: "● Live",
        stale: `■ Stale: candles of the last ${Market.span(missing)} are missing`,
        closed: `○ Exchange closed, opens ${this.clock.short(market.opens / 60)}`,
      }[this.state];
      this._sayState(said);
    }

    // Nothing can be known of how old it is.
    lost(why) {
      this.state = "lost";
      if (this.rows.length) this._sayState(`■ Not live: ${why}`);
    }

    _sayState(said) {
      const newest = this.rows.minutes[this.rows.length - 1];
      say(this.at.fresh, `${said}; newest candle ${this.clock.full(newest)}`);
      this.element.dataset.state = this.state;
    }

    end() {
      this.sight.disconnect();
      this.plot.end();
      this.element.remove();
    }

    _build() {
      const { key, name } = this.symbol;
      const title = make("h2", { id: `name-${key}`, textContent: name });
      const button = (text, does) => make("button", { type: "button", textContent: text, onclick: does,
        "aria-label": `${text}, ${name}` });
      const at = this.at = {
        price: make("p", { className: "price" }), fresh: make("p", { className: "fresh" }),
        legend: make("ul", { className: "legend" }), plot: make("div", { className: "plot", tabIndex: 0, role: "application", "aria-roledescription": "chart",
          "aria-label": `Candles of ${name}. ${KEYS}` }),
        spoken: make("p", { className: "spoken", role: "status" }), shown: make("p", { className: "dim shown" }),
        empty: make("div", { className: "empty", hidden: true }), body: make("div", { className: "body" }),
        table: make("table"), behind: make("details", { className: "behind" }),
      };
      at.chosen = {};
      const tools = make("div", { className: "tools" });
      for (const [field, label] of Object.entries(LEVELS)) {
        const choice = at.chosen[field] = make("select", { onchange: () => this._choose(field, choice.value) });
        tools.append(make("label", {}, `${label} `, choice));
      }
      tools.append(button("Zoom in", () => this.plot.zoom(0.5)), button("Zoom out", () => this.plot.zoom(2)),
        button("Newest", () => this.plot.showNewest()));
      at.plot.addEventListener("keydown", (event) => this._key(event));
      at.plot.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
      const wide = make("div", { className: "wide", tabIndex: 0, role: "region", "aria-label": `Table of ${name}` }, at.table);
      at.behind.append(make("summary", { textContent: `Table of ${name}` }), wide);
      at.behind.addEventListener("toggle", () => this._fill());
      at.body.append(at.price, at.fresh, tools, at.legend, at.plot, at.spoken, at.shown, at.behind);
      this.element = make("section", { className: "panel", "aria-labelledby": title.id }, title, at.empty, at.body);
      this.element.dataset.symbol = key;
    }

    _key(event) {
      const newest = this.rows.length - 1;
      const step = STEPS[event.key];
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (step) this._move(this.plot.cursor === null ? newest : this.plot.cursor + step * (event.shiftKey ? 10 : 1));
      else if (event.key === "Home") this._move(0);
      else if (event.key === "End") this._move(newest);
      else if (event.key === "+" || event.key === "=") this.plot.zoom(0.5);
      else if (event.key === "-") this.plot.zoom(2);
      else if (event.key === "Escape") { this.plot.leave(); say(this.at.spoken, ""); }
      else return;
      event.preventDefault();
    }

    _move(row) {
      const at = this.plot.moveTo(row);
      if (at === null) return;
      const said = this._figures(at).map(({ label, text }) => `${label} ${text}`);
      say(this.at.spoken, `${this.clock.full(this.rows.minutes[at])}: ${said.join(", ")}`);
    }

    _wheel(event) {
      if (!event.ctrlKey) return;
      this.plot.zoom(event.deltaY < 0 ? 0.8 : 1.25);
      event.preventDefault();
    }

    // A level is the newest one, none, or that of a minute.
    _choose(field, value) {
      this.levels[field] = value;
      this._followLevels();
      this.onLevels();
    }

    _chosen() {
      const chosen = {};
      for (const field of Object.keys(LEVELS)) {
        const value = this.levels[field];
        const minute = value === "none" ? -1 : Number(value);
        chosen[field] = value === "newest" ? this.rows.lastLevel(field, this.rows.length - 1) :
          this.rows.levels(field).find((row) => this.rows.minutes[row] === minute) ?? -1;
      }
      return chosen;
    }

    _followLevels() {
      const chosen = this._chosen();
      const drawn = JSON.stringify(Object.entries(chosen).map(([field, row]) => [field, row, this.rows.value(field, row)]));
      if (drawn === this._drawnLevels) return;
      this._drawnLevels = drawn;
      this.plot.chooseLevels(chosen);
    }

    _offerLevels() {
      for (const [field, choice] of Object.entries(this.at.chosen)) {
        const rows = this.rows.levels(field);
        const offers = [this.levels[field], this.digits, ...rows.flatMap((row) => [this.rows.minutes[row], this.rows.value(field, row)])];
        if (offers.length === this._offered[field].length && offers.every((one, at) => one === this._offered[field][at])) continue;
        this._offered[field] = offers;
        const newest = rows.length ? `newest: ${this._price(this.rows.value(field, rows[0]))}` : "newest: none yet";
        const offered = new Map([["newest", newest], ["none", "none"]]);
        for (const row of rows) {
          const minute = this.rows.minutes[row];
          offered.set(String(minute), `${this._price(this.rows.value(field, row))}, ${this._when(minute)}`);
        }
        const value = this.levels[field];
        if (!offered.has(value)) offered.set(value, "corrected since: no level any more");
        this._fillChoice(choice, offered);
        if (choice.value !== value) choice.value = value;
      }
    }

    // Only what differs is touched: there are hundreds.
    _fillChoice(choice, offered) {
      let option = choice.firstChild;
      for (const [value, label] of offered) {
        while (option && option.value !== value && !offered.has(option.value)) {
          const gone = option;
          option = option.nextSibling;
          gone.remove();
        }
        if (option && option.value === value) {
          say(option, label);
          option = option.nextSibling;
        } else {
          choice.insertBefore(make("option", { value, textContent: label }), option);
        }
      }
      while (option) {
        const gone = option;
        option = option.nextSibling;
        gone.remove();
      }
    }

    _when(minute) {
      if (!this._whens.has(minute)) this._whens.set(minute, this.clock.short(minute));
      return this._whens.get(minute);
    }

    _price(value) { return value === null ? "–" : value.toFixed(this.digits); }

    // What the legend says of a row: prices, then every line.
    _figures(row) {
      const price = (field) => this._price(this.rows.value(field, row));
      const prices = [["Open", "open"], ["High", "high"], ["Low", "low"], ["Close", "close"]];
      const volume = this.rows.value("volume", row);
      return [
        ...prices.map(([label, field]) => ({ label, text: price(field) })),
        { label: "Volume", text: volume === null ? "–" : volume.toLocaleString("en") },
        ...(this.lines || []).filter((line) => line.of !== "volume").map((line) => {
          const value = Market.valueOf(line, this.rows, row);
          const digits = this.digits + (line.of === "macd" || line.of === "atr" ? 2 : 0);
          return { label: line.label, text: value === null ? "–" : value.toFixed(line.of === "rsi" ? 1 : digits), line };
        }),
      ];
    }

    _tell(row) {
      const at = row === null || row === undefined || row >= this.rows.length ? this.rows.length - 1 : row;
      if (at < 0) return;
      const last = this.rows.length - 1;
      const [now, began] = [this.rows.value("close", last), this.rows.value("open", this.rows.dayOf(last, this.clock))];
      const moved = now - began;
      const percent = began ? ` (${moved < 0 ? "−" : "+"}${Math.abs(100 * moved / began).toFixed(2)} %)` : "";
      say(this.at.price, `${this._price(now)}  ${moved < 0 ? "▼ −" : "▲ +"}${this._price(Math.abs(moved))}${percent} on the day`);
      const figures = [{ label: this.clock.short(this.rows.minutes[at]), text: "" }, ...this._figures(at)];
      while (this.at.legend.children.length > figures.length) this.at.legend.lastChild.remove();
      figures.forEach(({ label, text, line }, index) => {
        let item = this.at.legend.children[index];
        if (!item) {
          item = make("li", {}, make("i", { ariaHidden: "true" }), make("span"), make("b"));
          this.at.legend.append(item);
        }
        const stroke = line ? Market.strokeName(line) : "";
        if (item.firstChild.className !== stroke) item.firstChild.className = stroke;
        if (line) item.firstChild.style.color = `var(${line.colour})`;
        say(item.children[1], label);
        say(item.children[2], text);
      });
    }

    _seen(first, last) {
      this.range = [first, last];
      const text = `Shown: ${this.clock.short(this.rows.minutes[first])} to ${this.clock.short(this.rows.minutes[last])}, ` +
        `${last - first + 1} of ${this.rows.length} candles`;
      say(this.at.shown, text);
      clearTimeout(this._later);
      this._later = setTimeout(() => this._fill(), 200);
    }

    // The table holds what the chart shows, the newest first; nothing while it is closed.
    _fill() {
      if (!this.at.behind.open || !this.rows.length) return;
      const [first, last] = this.range;
      const from = Math.max(first, last - LONGEST + 1);
      const labels = this._figures(last).map(({ label }) => label);
      const head = make("tr", {}, ...["Exchange time", ...labels].map((label) => make("th", { scope: "col", textContent: label })));
      const body = make("tbody");
      for (let row = last; row >= from; row--) {
        const time = make("th", { scope: "row", textContent: this.clock.short(this.rows.minutes[row]) });
        body.append(make("tr", {}, time, ...this._figures(row).map(({ text }) => make("td", { textContent: text }))));
      }
      const number = last - from + 1;
      const caption = `${this.symbol.name}: the ${number === last - first + 1 ? "" : "newest "}${number} candles that the chart shows`;
      this.at.table.replaceChildren(make("caption", { textContent: caption }), make("thead", {}, head), body);
    }
  };
})();
