// What is drawn of a symbol: which series, in which pane, from which figure, in which stroke. Lines differ by stroke and
// by what the legend calls them, never by colour alone.
"use strict";

(() => {
  const STROKES = [0, 2, 1, 3, 4]; // solid, dashed, dotted, long dashes, sparse dots
  const STROKE_NAMES = ["solid", "dotted", "dashed", "long", "sparse"]; // by the number that the library gives them
  const PANES = {
    volume: { title: "Volume", height: 1 },
    macd: { title: "MACD", height: 1.6 },
    levels: { title: "Supports and resistances", height: 1.6 },
    rsi: { title: "RSI", height: 1.2 },
    atr: { title: "ATR", height: 1.2 },
  };
  const LINES = {
    volume: [{ kind: "bars", field: "volume", label: "Volume", colour: "--quiet", whole: true }],
    macd: [
      { kind: "bars", fields: ["macd", "signal"], label: "Histogram", colour: "--quiet", value: (rows, row) => {
        const [macd, signal] = [rows.value("macd", row), rows.value("signal", row)];
        return macd === null || signal === null ? null : macd - signal;
      } },
      { kind: "line", field: "macd", label: "MACD", colour: "--line-1", stroke: 0 },
      { kind: "line", field: "signal", label: "Signal", colour: "--line-2", stroke: 2 },
    ],
    levels: [
      { kind: "steps", field: "resistance", label: "Resistance", colour: "--down", stroke: 2 },
      { kind: "steps", field: "support", label: "Support", colour: "--up", stroke: 0 },
    ],
    rsi: [{ kind: "line", field: "rsi_14", label: "RSI 14", colour: "--line-1", stroke: 0, marks: [30, 70] }],
    atr: [{ kind: "line", field: "atr_14", label: "ATR 14", colour: "--line-1", stroke: 0 }],
  };
  const PRICES = ["open", "high", "low", "close", "volume"];

  Market.PANES = PANES;
  Market.strokeName = (line) => (line.kind === "bars" ? "bars" : STROKE_NAMES[line.stroke]);

  // Lines over the price, then those of each pane that is chosen. `trends`: what is offered.
  Market.lines = (trends, chosen, panes) => {
    const over = trends.filter((trend) => chosen.includes(trend.value));
    const found = over.flatMap((trend, number) => trend.fields.map((field) => ({
      kind: "line", field, pane: 0, colour: `--line-${number % 4 + 1}`, stroke: STROKES[number % STROKES.length],
      label: trend.fields.length === 1 ? trend.label : `${trend.label} ${field.split("_").pop()}`,
    })));
    Object.keys(PANES).filter((pane) => panes.includes(pane)).forEach((pane, number) => {
      for (const line of LINES[pane]) found.push({ ...line, pane: number + 1, of: pane });
    });
    return found;
  };

  // The figures that lines need, prices aside. Levels are needed always: they may be chosen.
  Market.fieldsOf = (lines) => {
    const fields = lines.flatMap((line) => line.fields || [line.field]);
    return [...new Set([...fields, "support", "resistance"])].filter((field) => !PRICES.includes(field)).sort();
  };

  Market.valueOf = (line, rows, row) => {
    if (line.value) return line.value(rows, row);
    if (line.kind !== "steps") return rows.value(line.field, row);
    const at = rows.lastLevel(line.field, row);
    return at < 0 ? null : rows.value(line.field, at);
  };
})();
