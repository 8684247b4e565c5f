// Draws the plots of a load with uPlot; again when the colour scheme or the width changes.
'use strict';
(() => {
  const { percentiles, timeline } = JSON.parse(document.getElementById('charts').textContent);
  const plots = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
  const show = (unit) => (_, value) => (value == null ? '—' : number.format(value) + unit);

  const line = (label, name, unit, more) => ({
    label,
    stroke: colour(name),
    width: 2,
    points: { show: false },
    spanGaps: false,
    value: show(unit),
    ...more,
  });
  const axis = (more) => ({
    stroke: colour('ink-soft'),
    font: '12px system-ui, sans-serif',
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1, size: 4 },
    ...more,
  });

  const percentileName = (nines) => {
    if (nines == null) return '—';
    const percent = 100 * (1 - 10 ** -nines);
    return `p${Number(percent.toFixed(Math.max(0, Math.ceil(nines) - 1)))}`;
  };
  /** Fewer names where they would run into each other. */
  const percentileSplits = (width) => {
    const named = width < 500 ? [0, 1, 2, 3, 5] : [0, Math.log10(2), 1, 2, 3, 4, 5, 6];
    return named.filter((nines) => nines <= percentiles.x.at(-1));
  };
  /** 1, 2 and 5 times the powers of ten from 10 microseconds to 10 000 s, in ms. */
  const ROUND = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** (power - 2))).flat();

  const overTime = (series, more) => ({
    cursor: { sync: { key: 'seconds' }, focus: { prox: 24 } },
    scales: { x: { time: false }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] } },
    axes: [axis({ size: 28, values: (_, splits) => splits.map((s) => `${s} s`) }), axis({ size: 52 })],
    series: [{ label: 'second', value: show(' s') }, ...series],
    ...more,
  });

  const DRAWN = {
    percentiles: () => ({
      height: 300,
      data: [percentiles.x, percentiles.steady, percentiles.join, percentiles.startup],
      options: {
        cursor: { focus: { prox: 24 } },
        scales: { x: { time: false }, y: { distr: 3, range: (_, min, max) => (min > 0 ? [min / 1.25, max * 1.25] : [1, 1000]) } },
        axes: [
          axis({
            size: 32,
            splits: (plot) => percentileSplits(plot.width),
            values: (_, splits) => splits.map(percentileName),
          }),
          axis({
            size: 72,
            filter: (_, splits) => splits,
            splits: (_, __, min, max) => ROUND.filter((ms) => ms >= min && ms <= max),
            values: (_, splits) => splits.map((ms) => `${number.format(ms)} ms`),
          }),
        ],
        series: [
          { label: 'percentile', value: (_, nines) => percentileName(nines) },
          line('steady', 'series-1', ' ms'),
          line('at the join', 'series-2', ' ms', { dash: [8, 4] }),
          line('startup', 'series-3', ' ms', { dash: [2, 3] }),
        ],
      },
    }),
    clients: () => ({
      data: [timeline.second, timeline.joined, timeline.failed],
      options: overTime([
        line('joined', 'series-1', '', { fill: colour('series-1-fill') }),
        line('failed', 'series-4', '', { dash: [6, 3] }),
      ]),
    }),
    throughput: () => ({
      data: [timeline.second, timeline.mbit],
      options: overTime([line('Mbit/s', 'series-1', '', { fill: colour('series-1-fill') })]),
    }),
    latency: () => ({
      data: [timeline.second, timeline.latencyP50, timeline.latencyP99],
      options: overTime([line('p50', 'series-1', ' ms'), line('p99', 'series-2', ' ms', { dash: [6, 3] })]),
    }),
    generator: () => ({
      data: [timeline.second, timeline.loopLag],
      options: overTime([line('loop lag', 'series-3', ' ms', { fill: colour('series-3-fill') })]),
    }),
  };

  const draw = (place) => {
    plots.get(place)?.destroy();
    const { data, options, height = 190 } = DRAWN[place.dataset.plot]();
    plots.set(place, new uPlot({ width: place.clientWidth, height, ...options }, data, place));
  };
  const places = [...document.querySelectorAll('[data-plot]')];
  const drawAll = () => places.forEach(draw);
  drawAll();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  const widths = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = plots.get(target);
      if (plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: plot.height });
    }
  });
  for (const place of places) widths.observe(place);
})();
