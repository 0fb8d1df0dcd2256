// The chart of one symbol, drawn by Lightweight Charts: candles, lines, chosen levels, zoom, and a cursor for the keyboard.
"use strict";

(() => {
  const RIGHT = 3; // empty places after the newest candle
  const FONT = "system-ui, sans-serif";
  const NARROWEST = 8; // candles
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  Market.Plot = class {
    // `onCursor(row or null)`, `onRange(first row, last row)`.
    constructor(place, clock, onCursor, onRange) {
      Object.assign(this, { place, clock, onCursor, onRange, rows: new Market.Rows(), lines: [], levels: [], marked: false });
      this._redraw = () => this.chart && this.draw(this.rows, this.lines, this.digits, this.chosen);
      scheme.addEventListener("change", this._redraw);
      calm.addEventListener("change", this._redraw);
    }

    // All anew; what is shown of it stays.
    draw(rows, lines, digits, chosen) {
      const range = this.range();
      if (this.chart) this.chart.remove();
      Object.assign(this, { rows, lines, digits, chosen, cursor: null, _asked: null });
      this.offset = rows.length ? this.clock.offset(rows.minutes[rows.length - 1]) : 0;
      this.chart = LightweightCharts.createChart(this.place, this._options());
      this._addSeries();
      this._addLevels();
      if (range) this._show(range);
      this.chart.subscribeCrosshairMove((at) => {
        if (!at.sourceEvent) return;
        this.cursor = null;
        this.onCursor(this._known(at.logical));
      });
      this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => {
        this._asked = null;
        this._tellRange();
      });
      this._tellRange();
    }

    // Whether it bears the mark of the library's maker.
    mark(marked) {
      this.marked = marked;
      if (this.chart) this.chart.applyOptions({ layout: { attributionLogo: marked } });
    }

    // Some rows are new or others; `rows` holds them already. False where all has to be drawn anew.
    update(changed) {
      if (changed.some((row) => !this._isRight(row))) return false;
      for (const row of changed) {
        this.candles.update(this._candle(row), row < this.drawn - 1);
        for (const { line, series } of this.series) {
          const point = this._point(line, row);
          if (point) series.update(point, row < this.drawn - 1);
        }
        this.drawn = Math.max(this.drawn, row + 1);
      }
      this._tellRange();
      return true;
    }

    // Steps reach from a row to the next level: a level that came or went behind the newest row changes others too.
    _isRight(row) {
      return row >= this.drawn - 1 || (!this._hasSteps() && this.series.every(({ line }) => this._point(line, row)));
    }

    _hasSteps() { return this.lines.some((line) => line.kind === "steps"); }

    // What was drawn of the library is given back.
    end() {
      scheme.removeEventListener("change", this._redraw);
      calm.removeEventListener("change", this._redraw);
      if (this.chart) this.chart.remove();
      this.chart = null;
    }

    chooseLevels(chosen) {
      this.chosen = chosen;
      for (const level of this.levels) this.candles.removePriceLine(level);
      this._addLevels();
    }

    // Rows that are seen, as fractions; null before there are any. What was asked for last is drawn with the next frame.
    range() { return this._asked || (this.chart && this.drawn ? this.chart.timeScale().getVisibleLogicalRange() : null); }

    _show(range) {
      this._asked = range;
      this.chart.timeScale().setVisibleLogicalRange(range);
    }

    // Show the rows from `first` to the newest.
    showFrom(first) {
      if (!this.chart) return;
      this._show({ from: first - 0.5, to: this.rows.length - 1 + RIGHT });
    }

    showNewest() {
      const range = this.range();
      if (!range) return;
      const to = this.rows.length - 1 + RIGHT;
      this._show({ from: to - (range.to - range.from), to });
    }

    // Half or twice as many candles, those at the right staying where they are.
    zoom(factor) {
      const range = this.range();
      if (!range) return;
      const width = Math.min(Math.max((range.to - range.from) * factor, NARROWEST), this.rows.length + RIGHT);
      this._show({ from: range.to - width, to: range.to });
    }

    // Move the cursor to a row, so that it is seen.
    moveTo(row) {
      const range = this.range();
      if (!range) return null;
      this.cursor = Math.min(Math.max(row, 0), this.rows.length - 1);
      const width = range.to - range.from;
      if (this.cursor < range.from || this.cursor > range.to) {
        const from = this.cursor < range.from ? this.cursor - width / 10 : this.cursor - width * 0.9;
        this._show({ from, to: from + width });
      }
      this.chart.setCrosshairPosition(this.rows.value("close", this.cursor), this._time(this.cursor), this.candles);
      this.onCursor(this.cursor);
      return this.cursor;
    }

    leave() {
      this.cursor = null;
      if (this.chart) this.chart.clearCrosshairPosition();
      this.onCursor(null);
    }

    _options() {
      return {
        autoSize: true,
        layout: {
          background: { color: colour("--back") }, textColor: colour("--fore"), fontSize: 12,
          fontFamily: FONT, attributionLogo: this.marked,
          panes: { separatorColor: colour("--edge"), enableResize: false },
        },
        grid: { vertLines: { color: colour("--grid") }, horzLines: { color: colour("--grid") } },
        rightPriceScale: { borderColor: colour("--edge") },
        crosshair: { mode: LightweightCharts.CrosshairMode.Normal },
        handleScroll: { vertTouchDrag: false, mouseWheel: false },
        handleScale: { mouseWheel: false },
        kineticScroll: { touch: !calm.matches, mouse: false },
        timeScale: {
          borderColor: colour("--edge"), timeVisible: true, secondsVisible: false, minBarSpacing: 0.02,
          tickMarkFormatter: (time, kind) => this._mark(time, kind),
        },
        localization: { locale: "en-GB", timeFormatter: (time) => this.clock.full(this._minute(time)) },
      };
    }

    _addSeries() {
      const { CandlestickSeries, HistogramSeries, LineSeries, LineType } = LightweightCharts;
      const [up, down] = [colour("--up"), colour("--down")];
      const price = { type: "price", precision: this.digits, minMove: 10 ** -this.digits };
      this.candles = this.chart.addSeries(CandlestickSeries, {
        upColor: colour("--back"), borderUpColor: up, wickUpColor: up,
        downColor: down, borderDownColor: down, wickDownColor: down, priceFormat: price,
      }, 0);
      const all = this.rows.minutes.map((_, row) => row);
      this.candles.setData(all.map((row) => this._candle(row)));
      this.series = this.lines.map((line) => {
        const options = {
          color: colour(line.colour), priceLineVisible: false, lastValueVisible: false,
          priceFormat: line.whole ? { type: "volume" } : line.of === "macd" || line.of === "atr" ?
            { type: "price", precision: this.digits + 2, minMove: 10 ** -(this.digits + 2) } :
            line.of === "rsi" ? { type: "price", precision: 1, minMove: 0.1 } : price,
        };
        const drawn = line.kind === "bars" ? options : {
          ...options, lineWidth: 2, lineStyle: line.stroke, crosshairMarkerVisible: false,
          lineType: line.kind === "steps" ? LineType.WithSteps : LineType.Simple,
        };
        const series = this.chart.addSeries(line.kind === "bars" ? HistogramSeries : LineSeries, drawn, line.pane);
        series.setData(all.map((row) => this._point(line, row)).filter(Boolean));
        for (const mark of line.marks || []) {
          series.createPriceLine({ price: mark, color: colour("--quiet"), lineWidth: 1, lineStyle: 1, title: "" });
        }
        return { line, series };
      });
      this.drawn = this.rows.length;
      this.levels = [];
      const below = [...new Set(this.lines.filter((line) => line.of).map((line) => line.of))].map((pane) => Market.PANES[pane]);
      this.chart.panes().forEach((pane, number) => {
        const { title, height } = [{ title: "Price", height: 3 }, ...below][number];
        pane.setStretchFactor(height);
        const text = { text: title, color: colour("--dim"), fontSize: 12, fontFamily: FONT };
        LightweightCharts.createTextWatermark(pane, { horzAlign: "left", vertAlign: "top", lines: [text] });
      });
    }

    _addLevels() {
      this.levels = Object.entries(this.chosen || {}).filter(([, row]) => row >= 0).map(([field, row]) => {
        const line = { price: this.rows.value(field, row), lineWidth: 2, axisLabelVisible: true, title: field };
        const look = field === "support" ? { color: colour("--up"), lineStyle: 0 } : { color: colour("--down"), lineStyle: 2 };
        return this.candles.createPriceLine({ ...line, ...look });
      });
    }

    _time(row) { return (this.rows.minutes[row] + this.offset) * 60; }
    _minute(time) { return time / 60 - this.offset; }
    _known(row) { return row === undefined || row === null || row < 0 || row >= this.rows.length ? null : row; }

    _candle(row) {
      const value = (field) => this.rows.value(field, row);
      return { time: this._time(row), open: value("open"), high: value("high"), low: value("low"), close: value("close") };
    }

    _point(line, row) {
      const value = Market.valueOf(line, this.rows, row);
      return value === null ? null : { time: this._time(row), value };
    }

    _mark(time, kind) {
      const minute = this._minute(time);
      return kind >= LightweightCharts.TickMarkType.Time ? this.clock.time(minute) : this.clock.day(minute);
    }

    _tellRange() {
      const range = this.range();
      if (!range || !this.rows.length) return;
      const last = this.rows.length - 1;
      this.onRange(Math.min(Math.max(Math.ceil(range.from), 0), last), Math.min(Math.max(Math.floor(range.to), 0), last));
    }
  };
})();
