// One support and one resistance of a symbol, to choose: the newest one, none, or that of a minute.
"use strict";

(() => {
  const { make, say } = Market;
  const LABELS = { support: "Support", resistance: "Resistance" };
  const GONE = "corrected since: no level any more";

  Market.Levels = class {
    // `chosen`: what was chosen before. `onChoice()`: it is another one now.
    constructor(clock, chosen, onChoice) {
      Object.assign(this, { clock, onChoice, chosen: { support: "newest", resistance: "newest", ...chosen } });
      this.choices = {};
      this._offered = { support: [], resistance: [] };
      this._times = new Map();
      this.elements = Object.entries(LABELS).map(([field, label]) => {
        const choice = this.choices[field] = make("select", { onchange: () => this._choose(field, choice.value) });
        return make("label", {}, `${label} `, choice);
      });
    }

    // The rows that have the chosen levels; -1 for none.
    rowsOf(rows) {
      return Object.fromEntries(Object.entries(this.chosen).map(([field, value]) => {
        if (value === "newest") return [field, rows.lastLevel(field, rows.length - 1)];
        const minute = value === "none" ? -1 : Number(value);
        return [field, rows.levels(field).find((row) => rows.minutes[row] === minute) ?? -1];
      }));
    }

    // What there is to choose. `digits`: decimals of a price.
    offer(rows, digits) {
      for (const [field, choice] of Object.entries(this.choices)) {
        const found = rows.levels(field);
        const facts = [this.chosen[field], digits, ...found.flatMap((row) => [rows.minutes[row], rows.value(field, row)])];
        const before = this._offered[field];
        if (facts.length === before.length && facts.every((fact, index) => fact === before[index])) continue;
        this._offered[field] = facts;
        const price = (row) => rows.value(field, row).toFixed(digits);
        const offered = new Map([["newest", `newest: ${found.length ? price(found[0]) : "none yet"}`], ["none", "none"]]);
        for (const row of found) offered.set(String(rows.minutes[row]), `${price(row)}, ${this._time(rows.minutes[row])}`);
        if (!offered.has(this.chosen[field])) offered.set(this.chosen[field], GONE);
        fill(choice, offered);
        choice.value = this.chosen[field];
      }
    }

    _choose(field, value) {
      this.chosen[field] = value;
      this.onChoice();
    }

    _time(minute) {
      if (!this._times.has(minute)) this._times.set(minute, this.clock.short(minute));
      return this._times.get(minute);
    }
  };

  // Only what differs is touched: there are hundreds.
  const fill = (choice, offered) => {
    let option = choice.firstChild;
    const drop = () => {
      const gone = option;
      option = option.nextSibling;
      gone.remove();
    };
    for (const [value, label] of offered) {
      while (option && option.value !== value && !offered.has(option.value)) drop();
      if (option && option.value === value) {
        say(option, label);
        option = option.nextSibling;
      } else {
        choice.insertBefore(make("option", { value, textContent: label }), option);
      }
    }
    while (option) drop();
  };
})();
