// One symbol on the page: name, newest price, how fresh it is, levels to choose, legend, chart, keys, and a table.
"use strict";

(() => {
  const { make, say } = Market;
  const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
  const MANY = 10; // candles that a step with shift goes
  const KEYS = "Left and right move a cursor, with shift by ten; plus and minus zoom; home and end go to the first and the " +
    "newest; escape leaves. The table below says the same.";
  const SETTLE = 200; // ms after which a table follows its chart

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
    constructor(symbol, clock, levels, onLevels) {
      Object.assign(this, { symbol, clock, lines: [], digits: 2, rows: new Market.Rows(), range: [0, 0] });
      Object.assign(this, { place: "", fields: null, heard: null, state: "empty", waiting: new Set(), inSight: true });
      this.levels = new Market.Levels(clock, levels, () => { this._followLevels(); onLevels(); });
      this.legend = new Market.Legend();
      this.table = new Market.Table(symbol.name, clock, () => this._fill());
      this._build();
      this.plot = new Market.Plot(this.at.plot, clock, (row) => this._tell(row), (...range) => this._seen(...range));
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
      const first = !this.rows.length;
      Object.assign(this, { fields, place: chart.place, heard: chart.heard });
      if (!chart.whole && !chart.rows.minutes.length) return;
      const changed = this.rows.take(chart.rows, chart.whole);
      if (changed === null) this.digits = digitsOf(this.rows);
      this.levels.offer(this.rows, this.digits);
      if (changed === null) this.waiting = null; else if (this.waiting) for (const row of changed) this.waiting.add(row);
      if (this.inSight || this.waiting === null) this._drawWaiting();
      if (first) this.show(span);
      this._tell(this.plot.cursor);
      this._fill();
      if (first) performance.mark(`chart ${this.symbol.key}`);
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
      const missing = market.due - (this.rows.minutes[this.rows.length - 1] + 1) * 60;
      const heard = this.heard !== null && clock - this.heard <= staleAfter;
      if (missing > staleAfter) this.state = heard ? "live" : "stale";
      else this.state = market.open || (missing < 0 && heard) ? "live" : "closed";
      this._sayState({
        live: "● Live",
        stale: `■ Stale: candles of the last ${Market.span(missing)} are missing`,
        closed: `○ Exchange closed, opens ${this.clock.short(market.opens / 60)}`,
      }[this.state]);
    }

    // Nothing can be known of how old it is.
    lost(why) {
      this.state = "lost";
      if (this.rows.length) this._sayState(`■ Not live: ${why}`);
    }

    end() {
      this.sight.disconnect();
      this.plot.end();
      this.element.remove();
    }

    _build() {
      const { key, name } = this.symbol;
      const title = make("h2", { id: `name-${key}`, textContent: name });
      const button = (text, does) =>
        make("button", { type: "button", textContent: text, onclick: does, "aria-label": `${text}, ${name}` });
      const tools = make("div", { className: "tools" }, ...this.levels.elements, button("Zoom in", () => this.plot.zoom(0.5)),
        button("Zoom out", () => this.plot.zoom(2)), button("Newest", () => this.plot.showNewest()));
      const chart = { role: "application", "aria-roledescription": "chart", "aria-label": `Candles of ${name}. ${KEYS}` };
      const at = this.at = {
        price: make("p", { className: "price" }), fresh: make("p", { className: "fresh" }),
        plot: make("div", { className: "plot", tabIndex: 0, ...chart }),
        spoken: make("p", { className: "spoken", role: "status" }), shown: make("p", { className: "dim shown" }),
        empty: make("div", { className: "empty", hidden: true }), body: make("div", { className: "body" }),
      };
      at.plot.addEventListener("keydown", (event) => this._key(event));
      at.plot.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
      at.body.append(at.price, at.fresh, tools, this.legend.element, at.plot, at.spoken, at.shown, this.table.element);
      this.element = make("section", { className: "panel", "aria-labelledby": title.id }, title, at.empty, at.body);
      this.element.dataset.symbol = key;
    }

    _key(event) {
      const newest = this.rows.length - 1;
      const step = STEPS[event.key];
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (step) this._move(this.plot.cursor === null ? newest : this.plot.cursor + step * (event.shiftKey ? MANY : 1));
      else if (event.key === "Home") this._move(0);
      else if (event.key === "End") this._move(newest);
      else if (event.key === "+" || event.key === "=") this.plot.zoom(0.5);
      else if (event.key === "-") this.plot.zoom(2);
      else if (event.key === "Escape") { this.plot.leave(); say(this.at.spoken, ""); }
      else return;
      event.preventDefault();
    }

    _wheel(event) {
      if (!event.ctrlKey) return;
      this.plot.zoom(event.deltaY < 0 ? 0.8 : 1.25);
      event.preventDefault();
    }

    _move(row) {
      const at = this.plot.moveTo(row);
      if (at === null) return;
      const said = this._figures(at).map(({ label, text }) => `${label} ${text}`);
      say(this.at.spoken, `${this.clock.full(this.rows.minutes[at])}: ${said.join(", ")}`);
    }

    // What has come since it was drawn. A chart that is out of sight waits until it is in sight.
    _drawWaiting() {
      const changed = this.waiting && [...this.waiting].sort((one, other) => one - other);
      this.waiting = new Set();
      if (!this.rows.length) return;
      if (changed && this.plot.update(changed)) {
        this._followLevels();
      } else {
        this.plot.draw(this.rows, this.lines, this.digits, this.levels.rowsOf(this.rows));
        this._drawnLevels = null;
      }
    }

    _followLevels() {
      const chosen = this.levels.rowsOf(this.rows);
      const drawn = JSON.stringify(Object.entries(chosen).map(([field, row]) => [field, row, this.rows.value(field, row)]));
      if (drawn === this._drawnLevels) return;
      this._drawnLevels = drawn;
      this.plot.chooseLevels(chosen);
    }

    _figures(row) { return Market.figures(this.rows, row, this.lines, this.digits); }

    // The newest price, and the figures of the row that the cursor is at, or else of the newest.
    _tell(row) {
      const last = this.rows.length - 1;
      const at = row === null || row === undefined ? last : Math.min(row, last);
      if (at < 0) return;
      const [now, began] = [this.rows.value("close", last), this.rows.value("open", this.rows.dayOf(last, this.clock))];
      const [moved, price] = [now - began, (value) => Market.priceText(value, this.digits)];
      const percent = began ? ` (${moved < 0 ? "−" : "+"}${Math.abs(100 * moved / began).toFixed(2)} %)` : "";
      say(this.at.price, `${price(now)}  ${moved < 0 ? "▼ −" : "▲ +"}${price(Math.abs(moved))}${percent} on the day`);
      this.legend.show(this.clock.short(this.rows.minutes[at]), this._figures(at));
    }

    _sayState(said) {
      const newest = this.rows.minutes[this.rows.length - 1];
      say(this.at.fresh, `${said}; newest candle ${this.clock.full(newest)}`);
      this.element.dataset.state = this.state;
    }

    _seen(first, last) {
      this.range = [first, last];
      const [from, to] = [first, last].map((row) => this.clock.short(this.rows.minutes[row]));
      say(this.at.shown, `Shown: ${from} to ${to}, ${last - first + 1} of ${this.rows.length} candles`);
      clearTimeout(this._later);
      this._later = setTimeout(() => this._fill(), SETTLE);
    }

    // The table holds what the chart shows; nothing while it is closed.
    _fill() {
      if (this.table.open && this.rows.length) this.table.show(this.rows, ...this.range, (row) => this._figures(row));
    }
  };
})();
