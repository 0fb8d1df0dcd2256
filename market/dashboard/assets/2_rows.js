// The candles of a symbol as they are known here: a column per field, in order of time.
"use strict";

Market.Rows = class {
  constructor() { this.clear(); }

  clear() {
    this.minutes = [];
    this.fields = {};
  }

  get length() { return this.minutes.length; }

  value(field, row) {
    const column = this.fields[field];
    return column === undefined || column[row] === undefined ? null : column[row];
  }

  // What came; which rows are new or others now, or null where all have to be drawn anew.
  take(came, whole) {
    if (whole) this.clear();
    const names = Object.keys(came).filter((name) => name !== "minutes");
    for (const name of names) this.fields[name] = this.fields[name] || new Array(this.length).fill(null);
    let minute = 0, inOrder = !whole;
    const changed = [];
    came.minutes.forEach((step, index) => {
      minute += step;
      let row = this._place(minute);
      if (this.minutes[row] !== minute) {
        if (row < this.length) inOrder = false;
        this.minutes.splice(row, 0, minute);
        for (const name of Object.keys(this.fields)) this.fields[name].splice(row, 0, null);
      }
      for (const name of names) this.fields[name][row] = came[name][index];
      changed.push(row);
    });
    return inOrder ? changed : null;
  }

  // The row of a minute, or where it belongs.
  _place(minute) {
    let low = 0, high = this.length;
    if (high && this.minutes[high - 1] < minute) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.minutes[middle] < minute) low = middle + 1; else high = middle;
    }
    return low;
  }

  // The last row up to `row` whose level is not 0, or -1.
  lastLevel(field, row) {
    for (let at = row; at >= 0; at--) if (this.value(field, at)) return at;
    return -1;
  }

  // Rows that have a level, the newest first.
  levels(field) {
    const found = [];
    for (let at = this.length - 1; at >= 0; at--) if (this.value(field, at)) found.push(at);
    return found;
  }

  // The first row of the day that `row` is of, where the exchange is.
  dayOf(row, clock) {
    const offset = clock.offset(this.minutes[row]);
    const midnight = Math.floor((this.minutes[row] + offset) / 1440) * 1440 - offset;
    return this._place(midnight);
  }
};
