// Exchange time. The charts know no zones: they are given moments shifted by what the zone was off UTC at the newest
// candle, and labels are computed back from that, so that every label is right, on both sides of a change of the clocks.
"use strict";
window.Market = window.Market || {};

Market.Clock = class {
  constructor(zone) {
    this.zone = zone;
    const make = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
    this._full = make({ weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
    this._short = make({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
    this._day = make({ day: "numeric", month: "short" });
    this._time = make({ hour: "2-digit", minute: "2-digit" });
    this._second = make({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this._parts = make({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
  }

  full(minute) { return this._full.format(minute * 60000); }
  short(minute) { return this._short.format(minute * 60000); }
  day(minute) { return this._day.format(minute * 60000); }
  time(minute) { return this._time.format(minute * 60000); }
  second(seconds) { return this._second.format(seconds * 1000); }

  // Minutes that the zone is ahead of UTC at that minute.
  offset(minute) {
    const part = {};
    for (const { type, value } of this._parts.formatToParts(minute * 60000)) part[type] = Number(value);
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute) / 60000 - minute;
  }
};

// A length of time in its two largest units.
Market.span = (seconds) => {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => seconds >= size));
  let left = Math.max(0, Math.round(seconds));
  const said = [];
  for (const [name, size] of units.slice(seconds < 1 ? 3 : first, (seconds < 1 ? 3 : first) + 2)) {
    const number = Math.floor(left / size);
    left -= number * size;
    if (number || !said.length) said.push(`${number} ${name}`);
  }
  return said.join(" ");
};
