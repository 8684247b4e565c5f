// Draws the plots of the page with uPlot; again when the colour scheme, the width or the page changes.
'use strict';
(() => {
  const plots = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
  /** So that lines can be told apart without their colours. */
  const DASHES = [[], [8, 4], [2, 3], [6, 3, 2, 3], [12, 3], [4, 4]];
  /** 1, 2 and 5 times the powers of ten from 0.01 to 50 000 000. */
  const ROUND = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** (power - 2))).flat();

  const percentileName = (nines) => `p${Number((100 * (1 - 10 ** -nines)).toFixed(Math.max(0, Math.ceil(nines) - 1)))}`;
  const withUnit = (unit) => (value) => `${number.format(value)}${unit ? ` ${unit}` : ''}`;
  const shown = ({ scale, unit }) => {
    const show = scale === 'percentile' ? percentileName : withUnit(unit);
    return (_, value) => (value == null ? '—' : show(value));
  };

  /** Fewer names where they would run into each other. */
  const percentileSplits = (width, last) =>
    (width < 500 ? [0, 1, 2, 3, 5] : [0, Math.log10(2), 1, 2, 3, 4, 5, 6]).filter((nines) => nines <= last);
  const roundSplits = (min, max) => {
    const all = ROUND.filter((value) => value >= min && value <= max);
    return all.length > 12 ? all.filter((value) => Number.isInteger(Math.log10(value))) : all;
  };

  const axisOf = (axis, isX, data) => ({
    stroke: colour('ink-soft'),
    font: '12px system-ui, sans-serif',
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1, size: 4 },
    size: isX ? 30 : (_, names) => 16 + 7 * Math.max(3, ...(names ?? []).map((name) => name?.length ?? 0)),
    ...(axis.label && { label: axis.label, labelSize: 22, labelFont: '12px system-ui, sans-serif' }),
    values: (_, splits) => splits.map((value) => shown(axis)(_, value)),
    ...(axis.scale === 'percentile' && { splits: (plot) => percentileSplits(plot.width, data[0].at(-1)) }),
    ...(axis.scale === 'log' && { filter: (_, splits) => splits, splits: (_, __, min, max) => roundSplits(min, max) }),
  });
  const scaleOf = ({ scale }, isX) => ({
    ...(isX && { time: false }),
    ...(scale === 'log' && { distr: 3, range: (_, min, max) => (min > 0 ? [min / 1.25, max * 1.25] : [1, 1000]) }),
    ...(!isX && scale !== 'log' && { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] }),
  });
  const seriesOf = ({ label, style, filled, points }, place, unit) => {
    const number = style ?? (place % DASHES.length) + 1;
    const stroke = colour(`series-${number}`);
    return {
      label,
      stroke,
      width: 2,
      dash: DASHES[number - 1],
      points: { show: points === true, size: 7, stroke, fill: colour('card') },
      spanGaps: false,
      value: shown(unit),
      ...(filled && { fill: colour(`series-${number}-fill`) }),
    };
  };

  const draw = (place) => {
    plots.get(place)?.destroy();
    const { x, xs, y, series, together, size } = JSON.parse(document.getElementById(`plot-${place.dataset.plot}`).textContent);
    const data = [xs, ...series.map(({ values }) => values)];
    const name = x.scale === 'percentile' ? 'percentile' : (x.name ?? x.label ?? x.unit ?? 'x');
    const options = {
      width: place.clientWidth,
      height: size === 'small' ? 190 : 300,
      cursor: { focus: { prox: 24 }, ...(together && { sync: { key: together } }) },
      scales: { x: scaleOf(x, true), y: scaleOf(y, false) },
      axes: [axisOf(x, true, data), axisOf(y, false, data)],
      series: [{ label: name, value: shown(x) }, ...series.map((one, i) => seriesOf(one, i, y))],
    };
    plots.set(place, new uPlot(options, data, place));
  };
  const widths = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = plots.get(target);
      if (target.clientWidth > 0 && plot?.width !== target.clientWidth)
        plot?.setSize({ width: target.clientWidth, height: plot.height });
    }
  });
  const drawAll = () => {
    for (const place of plots.keys()) if (!place.isConnected) plots.delete(place);
    for (const place of document.querySelectorAll('[data-plot]')) {
      draw(place);
      widths.observe(place);
    }
  };
  drawAll();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  document.addEventListener('liveproof:changed', drawAll);
})();
