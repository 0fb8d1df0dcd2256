// The figures of candles as text: the legend over a chart, and the table behind it.
"use strict";

(() => {
  const { make, say } = Market;
  const LONGEST = 500; // rows of a table
  const FINER = { macd: 2, atr: 2 }; // decimals more than a price has
  const PRICES = [["Open", "open"], ["High", "high"], ["Low", "low"], ["Close", "close"]];

  Market.priceText = (value, digits) => (value === null ? "–" : value.toFixed(digits));

  // Of one row: prices, volume, then every line.
  Market.figures = (rows, row, lines, digits) => {
    const volume = rows.value("volume", row);
    return [
      ...PRICES.map(([label, field]) => ({ label, text: Market.priceText(rows.value(field, row), digits) })),
      { label: "Volume", text: volume === null ? "–" : volume.toLocaleString("en") },
      ...lines.filter((line) => line.of !== "volume").map((line) => {
        const decimals = line.of === "rsi" ? 1 : digits + (FINER[line.of] || 0);
        return { label: line.label, text: Market.priceText(Market.valueOf(line, rows, row), decimals), line };
      }),
    ];
  };

  Market.Legend = class {
    constructor() { this.element = make("ul", { className: "legend" }); }

    show(time, figures) {
      const all = [{ label: time, text: "" }, ...figures];
      while (this.element.children.length > all.length) this.element.lastChild.remove();
      all.forEach(({ label, text, line }, index) => {
        let item = this.element.children[index];
        if (!item) {
          item = make("li", {}, make("i", { "aria-hidden": "true" }), make("span"), make("b"));
          this.element.append(item);
        }
        const [stroke, name, value] = item.children;
        const look = line ? Market.strokeName(line) : "";
        if (stroke.className !== look) stroke.className = look;
        if (line) stroke.style.color = `var(${line.colour})`;
        say(name, label);
        say(value, text);
      });
    }
  };

  Market.Table = class {
    // `onOpen()`: somebody wants to see it.
    constructor(name, clock, onOpen) {
      Object.assign(this, { name, clock, table: make("table") });
      const wide = { className: "wide", tabIndex: 0, role: "region", "aria-label": `Table of ${name}` };
      const summary = make("summary", { textContent: `Table of ${name}` });
      this.element = make("details", { className: "behind", ontoggle: onOpen }, summary, make("div", wide, this.table));
    }

    get open() { return this.element.open; }

    // The rows from `first` to `last`, the newest first. `figures(row)`: of a row.
    show(rows, first, last, figures) {
      const from = Math.max(first, last - LONGEST + 1);
      const cell = (tag, text, properties = {}) => make(tag, { textContent: text, ...properties });
      const head = ["Exchange time", ...figures(last).map(({ label }) => label)].map((label) => cell("th", label, { scope: "col" }));
      const body = make("tbody");
      for (let row = last; row >= from; row--) {
        const time = cell("th", this.clock.short(rows.minutes[row]), { scope: "row" });
        body.append(make("tr", {}, time, ...figures(row).map(({ text }) => cell("td", text))));
      }
      const newest = from === first ? "" : "newest ";
      const caption = `${this.name}: the ${newest}${last - from + 1} candles that the chart shows`;
      this.table.replaceChildren(cell("caption", caption), make("thead", {}, make("tr", {}, ...head)), body);
    }
  };
})();
