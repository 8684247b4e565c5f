// Draws the latency by fragment length with uPlot; again when the colour scheme or the width changes.
'use strict';
(() => {
  const { x, lines, claim } = JSON.parse(document.getElementById('plot').textContent);
  const place = document.querySelector('[data-plot]');
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const show = (_, value) => (value == null ? '—' : `${value.toFixed(2)} s`);
  const axis = (more) => ({
    stroke: colour('ink-soft'),
    font: '12px system-ui, sans-serif',
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1, size: 4 },
    ...more,
  });
  const most = Math.max(claim.toSeconds, ...lines.flatMap(({ p50 }) => p50.filter((value) => value !== null)));
  const HALF_BAND = 0.08;

  /** What is claimed, behind the lines. */
  const band = (plot) => {
    const left = plot.valToPos(claim.fragmentSeconds - HALF_BAND, 'x', true);
    const right = plot.valToPos(claim.fragmentSeconds + HALF_BAND, 'x', true);
    const top = plot.valToPos(claim.toSeconds, 'y', true);
    const bottom = plot.valToPos(claim.fromSeconds, 'y', true);
    plot.ctx.save();
    plot.ctx.fillStyle = colour('series-3-fill');
    plot.ctx.fillRect(left, top, right - left, bottom - top);
    plot.ctx.restore();
  };

  let plot;
  const draw = () => {
    plot?.destroy();
    const options = {
      width: place.clientWidth,
      height: 320,
      cursor: { focus: { prox: 24 } },
      scales: {
        x: { time: false, range: [x[0] - 0.25, x.at(-1) + 0.25] },
        y: { range: [0, most * 1.08] },
      },
      axes: [
        axis({ size: 32, splits: () => x, values: (_, splits) => splits.map((s) => `${s} s fragments`) }),
        axis({ size: 52, values: (_, splits) => splits.map((s) => `${s} s`) }),
      ],
      series: [
        { label: 'fragment', value: show },
        ...lines.map(({ label, engine, dashed }) => ({
          label,
          stroke: colour(`series-${engine + 1}`),
          width: 2,
          points: { show: true, size: 7 },
          value: show,
          ...(dashed ? { dash: [6, 4] } : {}),
        })),
      ],
      hooks: { drawClear: [band] },
    };
    plot = new uPlot(options, [x, ...lines.map(({ p50 }) => p50)], place);
  };
  draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  new ResizeObserver(() => {
    if (plot.width !== place.clientWidth) plot.setSize({ width: place.clientWidth, height: 320 });
  }).observe(place);
})();
