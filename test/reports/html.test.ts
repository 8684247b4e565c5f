import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { formatMs, formatNumber, formatPercent } from '../../reports/format.ts';
import { renderComparison } from '../../reports/html/compare.ts';
import { html } from '../../reports/html/html.ts';
import { latencyPlot } from '../../reports/html/load.ts';
import { renderReport } from '../../reports/html/page.ts';
import { renderMarkdown } from '../../reports/markdown.ts';
import { type Finding, Results, VERDICTS } from '../../reports/results.ts';
import type { GateHealth } from '../../reports/results-gate.ts';
import { type Bystander, killersOf } from '../../reports/results-mutants.ts';
import { HOSTILE, hostile } from './hostile.ts';
import {
  finding,
  gate,
  gateHealth,
  hlsFigures,
  load,
  loadFigures,
  mutants,
  NO_SAMPLE,
  publish,
  srtFigures,
  timeline,
  webRtcFigures,
} from './samples.ts';
import { bench } from './samples-bench.ts';
import { benchFigures, benchRun, browserRun, comparedBenches, comparedLoads, k6Run } from './samples-runs.ts';

const SRT_SENT = { rttMs: 3.2, sent: 5000, retransmitted: 12, naks: 4, reportedLost: 12, dropped: 1 };
const WHIP_SENT = {
  ...{ rttMs: null, sent: 5000, retransmitted: 3, naks: 2, forgotten: 1, keyframeRequests: 4 },
  ...{ reportedLost: 5, refused: 0 },
};

const SAMPLES: Record<string, Results> = {
  gate: gate(),
  load: load(),
  hls: load({ hls: hlsFigures({ problems: { 'hls.gap': 4 } }) }),
  srt: load({ srt: srtFigures({ problems: { 'mpegts.continuity': 4 } }) }),
  webrtc: load({ webrtc: webRtcFigures({ problems: { 'signalling.location': 4 } }) }),
  mutants: mutants(),
  publish: publish(),
  'srt published': publish({ srt: { total: SRT_SENT, publishers: [SRT_SENT, SRT_SENT] } }),
  'whip published': publish({ webrtc: { total: WHIP_SENT, publishers: [WHIP_SENT, WHIP_SENT] } }),
  failover: gate([finding({ check: 'failover/origin-killed', timeline: timeline() })]),
  bench: benchRun(),
  k6: k6Run(),
  browser: browserRun(),
  nothing: { ...gate([]), verdict: 'error' },
  hostile: hostile(),
};

const COMPARISONS: Record<string, string> = {
  'compare of loads': renderComparison(comparedLoads()),
  'compare of benches': renderComparison(comparedBenches()),
};

const PAGES: Record<string, string> = {
  ...Object.fromEntries(Object.entries(SAMPLES).map(([name, results]) => [name, renderReport(results)])),
  ...COMPARISONS,
};

/** The content of every element of a name; the page has no nested ones of these. */
function elements(page: string, name: 'script' | 'style'): { attributes: string; content: string }[] {
  const found = page.matchAll(new RegExp(`<${name}([^>]*)>([\\s\\S]*?)</${name}>`, 'g'));
  return [...found].map(([, attributes, content]) => ({ attributes: attributes!, content: content! }));
}

/** The page without the content of scripts and styles. */
function markup(page: string): string {
  return page.replace(/<(script|style)([^>]*)>[\s\S]*?<\/\1>/g, '<$1$2></$1>');
}

for (const [name, page] of Object.entries(PAGES)) {
  test(`${name}: the page asks nothing of the network`, () => {
    const addresses = [...markup(page).matchAll(/\s(?:src|href|action|data|srcset|poster)\s*=\s*"([^"]*)"/g)];
    for (const [, address] of addresses) assert.match(address!, /^(?:#|\.\/)/);
    assert.doesNotMatch(markup(page), /<(?:link|img|iframe|object|embed|base|form|audio|video)\b/);
    for (const { content } of elements(page, 'style')) assert.doesNotMatch(content, /url\(|@import/);
  });

  test(`${name}: the policy allows exactly the page's own scripts and style`, () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/
      .exec(page)![1]!
      .replaceAll('&#39;', "'");
    const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    const scripts = elements(page, 'script').filter(({ attributes }) => attributes === '');
    const styles = elements(page, 'style');
    assert.equal(styles.length, 1);
    assert.equal(
      policy,
      [
        "default-src 'none'",
        `style-src ${hash(styles[0]!.content)}`,
        `script-src ${scripts.map(({ content }) => hash(content)).join(' ')}`,
        "base-uri 'none'",
        "form-action 'none'",
      ].join('; '),
    );
    assert.doesNotMatch(
      markup(page),
      /\s(?:style|on\w+)\s*=\s*"/,
      'the policy would refuse these attributes',
    );
  });

  test(`${name}: every link leads to an element, every id is there once`, () => {
    const ids = [...markup(page).matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id!);
    assert.deepEqual(
      ids.filter((id, i) => ids.indexOf(id) !== i),
      [],
    );
    for (const [, id] of markup(page).matchAll(/(?:href="#|aria-labelledby=")([^"]*)"/g)) {
      assert.ok(ids.includes(id!), `#${id} is nowhere`);
    }
  });

  test(`${name}: one first-level heading, and none is skipped below it`, () => {
    const levels = [...markup(page).matchAll(/<h([1-6])\b/g)].map(([, level]) => Number(level));
    assert.equal(levels.filter((level) => level === 1).length, 1);
    for (const [i, level] of levels.entries()) assert.ok(level <= (levels[i - 1] ?? 0) + 1);
  });
}

for (const [name, results] of Object.entries(SAMPLES)) {
  const page = PAGES[name]!;

  test(`${name}: the page carries its results`, () => {
    const data = elements(page, 'script').filter(({ attributes }) => attributes.includes('application/json'));
    const plots = markup(page).match(/ data-plot="/g) ?? [];
    assert.equal(data.length, 1 + plots.length, 'the results, and the columns of each plot');
    const json = data.find(({ attributes }) => attributes.includes('id="results"'))!.content;
    assert.deepEqual(Results.parse(JSON.parse(json)), results);
  });

  test(`${name}: every finding is there with what was expected and what came`, () => {
    for (const [index, { expected, actual }] of results.findings.entries()) {
      const start = page.indexOf(`id="finding-${index + 1}"`);
      assert.notEqual(start, -1);
      const text = page.slice(start, page.indexOf('</details>', start));
      assert.ok(text.includes(String(html`<dd>${expected}</dd>`)));
      assert.ok(text.includes(String(html`<dd>${actual}</dd>`)));
    }
  });
}

test('what a server says never becomes markup', () => {
  const page = renderReport(hostile());
  assert.equal(elements(page, 'script').length, elements(renderReport(load()), 'script').length);
  assert.doesNotMatch(page, /<script>alert|<img|\sonerror="/);
  assert.doesNotMatch(markup(page), /\u202e|[^\P{Cc}\n]/u);
  assert.doesNotMatch(markup(page), /\p{Cs}/u);
});

/** Words of our own that choose how something is shown. */
const OWN = [
  'schema',
  'kind',
  'verdict',
  'startedAt',
  'protocol',
  'climbs',
  'gaveWay',
  'variant',
  'comparison',
  'says',
  'type',
];

test('nor does what a benchmark, k6 and a browser are told, on the page and in summary.md', () => {
  for (const results of [benchRun(), k6Run(), browserRun(), gate()]) {
    const spoiled: Results = JSON.parse(JSON.stringify(results), (key, value: unknown) =>
      typeof value === 'string' && !OWN.includes(key) && key !== 'hdr' ? HOSTILE : value,
    );
    const page = renderReport(spoiled);
    assert.ok(page.includes('alert(1)'), results.kind);
    assert.doesNotMatch(page, /<script>alert|<img|\sonerror="|href="(?!#|\.\/)/, results.kind);
    assert.doesNotMatch(markup(page), /\u202e|\p{Cs}|[^\P{Cc}\n]/u, results.kind);
    assert.doesNotMatch(renderMarkdown(spoiled), /<script|<img|<!--|\u202e|[^\P{Cc}\n]/u, results.kind);
  }
});

test('each verdict has a word and a shape, not only a colour', () => {
  for (const verdict of VERDICTS) {
    const page = renderReport({ ...gate([finding({ verdict })]), verdict });
    assert.match(page, new RegExp(`<h1>${verdict}</h1>`));
    assert.match(page, new RegExp(`<symbol id="v-${verdict}"[^>]*><path`));
    assert.match(page, new RegExp(`<span class="badge ${verdict}">.*?</svg>${verdict}</span>`));
  }
});

test('text has the contrast of WCAG 2.2 1.4.3 on its ground, light and dark', () => {
  const css = elements(renderReport(gate()), 'style')[0]!.content;
  const [light, dark] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(
    ([, block]) =>
      new Map([...block!.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name!, value!])),
  );
  const pairs = [
    ...[...VERDICTS, 'running'].map((verdict) => [verdict, `${verdict}-tint`]),
    ...VERDICTS.map((verdict) => [verdict, 'card']),
    ...[...VERDICTS, 'running'].map((verdict) => ['ink', `${verdict}-tint`]),
    ...['ink', 'ink-soft', 'link'].flatMap((ink) => [
      [ink, 'paper'],
      [ink, 'card'],
    ]),
  ];
  for (const colours of [light!, dark!]) {
    for (const series of [1, 2, 3, 4, 5, 6]) {
      const ratio = contrast(colours.get(`series-${series}`)!, colours.get('card')!);
      assert.ok(ratio >= 3, `series-${series} on card: ${ratio.toFixed(2)}, 3 for graphics (1.4.11)`);
    }
    for (const [ink, ground] of pairs) {
      const ratio = contrast(colours.get(ink!)!, colours.get(ground!)!);
      assert.ok(ratio >= 4.5, `${ink} on ${ground}: ${ratio.toFixed(2)}`);
    }
  }
});

/** Contrast ratio of two sRGB colours (WCAG 2.2). */
function contrast(a: string, b: string): number {
  const luminance = (colour: string) =>
    [1, 3, 5]
      .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i]!, 0);
  const [dim, bright] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (bright! + 0.05) / (dim! + 0.05);
}

test('the matrix has a column per topology and engine, and says where a check was not run', () => {
  const page = renderReport(
    gate([
      finding({ check: 'a/one' }),
      finding({ check: 'a/one', engine: 'srs', verdict: 'fail' }),
      finding({ check: 'b/two', engine: 'srs' }),
    ]),
  );
  const matrix = page.slice(page.indexOf('<table class="matrix">'), page.indexOf('</table>'));
  assert.equal(matrix.match(/<th scope="col">/g)!.length, 3);
  assert.equal(matrix.match(/<th scope="rowgroup"/g)!.length, 2);
  assert.equal(matrix.match(/<th scope="row">/g)!.length, 2);
  assert.equal(matrix.match(/not run/g)!.length, 1);
  assert.equal(matrix.match(/href="#finding-2"/g)!.length, 1);
});

test('the kill matrix tells killed from survived', () => {
  const page = renderReport(mutants());
  const tables = page.slice(page.indexOf('<table class="kills">'), page.lastIndexOf('</table>'));
  assert.equal(tables.match(/killed: edge-cluster/g)!.length, 7);
  assert.equal(tables.match(/survived: edge-cluster/g)!.length, 1);
  assert.match(page, /7 of 8 mutant runs killed; the healthy cluster passes 5 of 5 checks/);
});

test('who else catches a mutant stands beside what is aimed at it', () => {
  const stand = (check: string, verdict: Bystander['verdict']): Bystander => ({
    check,
    topology: 'edge-cluster',
    engine: 'builtin',
    mutant: 'edge-pulls-twice-under-herd',
    verdict,
  });
  const page = renderReport({
    ...mutants(),
    bystanders: [
      stand('fan-out/spread', 'fail'),
      stand('fan-out/late-join', 'pass'),
      stand('rtmp/malformed', 'error'),
    ],
  });
  const row = page.slice(page.indexOf('<th scope="row"><code>edge-pulls-twice-under-herd'));
  assert.match(
    row,
    /herd<\/code><\/th><td><\/td><td><code>back-to-source\/merged-under-herd<\/code> <\/td><td><\/td><td><code>fan-out\/spread<\/code> <\/td><td>2 checks<\/td>/,
  );
});

test('a check that was not run to its end has neither killed a mutant nor let it live', () => {
  const { findings } = mutants();
  const mutant = 'edge-pulls-twice-under-herd';
  const of = (verdict: Finding['verdict']) =>
    killersOf(
      mutant,
      findings.map((one) => (one.mutant === mutant ? { ...one, verdict } : one)),
      [],
    );
  const aimed = ['back-to-source/merged-under-herd'];
  const none = { killed: [], alive: [], untold: [], caught: [], others: 0 };
  assert.deepEqual(of('inconclusive'), { ...none, untold: aimed });
  assert.deepEqual(of('fail'), { ...none, alive: aimed });
  assert.deepEqual(of('error'), { ...none, alive: aimed });
  assert.deepEqual(of('pass'), { ...none, killed: aimed });
});

test('a file of evidence is a link to below the report, whatever its name', () => {
  const evidence = [{ label: 'history', detail: 'lines 1 to 9', file: 'evidence/c/healthy/a-b.ndjson' }];
  const page = renderReport({ ...gate(), findings: [finding({ verdict: 'fail', evidence })] });
  assert.match(page, /lines 1 to 9 <a href="\.\/evidence\/c\/healthy\/a-b\.ndjson">/);
  assert.match(renderReport(hostile()), /href="\.\/javascript%3A/);
});

test('what did not pass is open and stands before what passed', () => {
  const page = renderReport(gate());
  assert.ok(page.indexOf('id="finding-3"') < page.indexOf('id="finding-1"'));
  assert.match(page, /id="finding-3" open>/);
  assert.doesNotMatch(page, /id="finding-1" open>/);
});

test('an unhealthy generator and an interruption are said', () => {
  const sick = {
    healthy: false,
    reasons: ['loop lag p99 190 ms is above 50 ms'],
    loopLagP99Ms: 190,
    cpuCores: 2,
    rssMb: 1,
  };
  const page = renderReport({ ...load({ generator: sick }), interrupted: true });
  assert.match(page, /loop lag p99 190 ms is above 50 ms/);
  assert.match(page, /cannot be blamed on the server/);
  assert.match(page, /Interrupted: this is what was measured until then/);
});

test('a gate says whether it and its nodes had the CPUs; where nobody knows, it says that', () => {
  const section = (health: GateHealth) => {
    const page = renderReport({ ...gate(), health });
    const start = page.indexOf('<section aria-labelledby="generator">');
    return page.slice(start, page.indexOf('</section>', start));
  };
  const healthy = section(gateHealth());
  assert.match(healthy, /<span class="badge pass">.*healthy<\/span>/);
  assert.match(healthy, /<dd>38 ms<span class="block soft">fan-out\/spread, edge-cluster, builtin</);
  assert.match(
    healthy,
    /<dd>48 ms, at most 250 ms<span class="block soft">back-to-source\/lazy, edge-cluster, builtin</,
  );
  assert.match(healthy, /origin waited 120 ms<span class="block soft">40 % of the CPU time was others’/);
  const wait = { ...gateHealth().wait!, keptMs: 611, mutant: 'edge-delays' };
  const starved = section(gateHealth({ wait, starved: 3 }));
  assert.match(starved, /<span class="badge inconclusive">.*kept from the CPUs<\/span>/);
  assert.match(starved, /<dd>611 ms, at most 250 ms<.*mutant edge-delays</);
  assert.match(starved, /41 times, 3 of them above the bound/);
  const unknown = section(gateHealth({ wait: null }));
  assert.match(unknown, /<span class="badge inconclusive">.*not known<\/span>/);
  assert.doesNotMatch(unknown, /healthy<|above the bound/);
  const { health: _, ...bare } = gate();
  assert.doesNotMatch(renderReport(bare), /id="generator"/);
});

test('a latency without a sample is unknown, not zero', () => {
  const figures = { latency: { join: NO_SAMPLE, steady: NO_SAMPLE }, startup: NO_SAMPLE, timeline: [] };
  const page = renderReport(load(figures));
  assert.match(page, /latency unknown/);
  assert.match(page, /<dt>Latency p99<\/dt><dd><span class="value">—<\/span>/);
  assert.ok(latencyPlot(loadFigures(figures)).series.every(({ values }) => values.every((v) => v === null)));
});

test('the percentile curve goes through the percentiles and ends with the samples', () => {
  const figures = loadFigures();
  const { xs, series } = latencyPlot(figures);
  const [steady, , startup] = series.map(({ values }) => values);
  const at = (nines: number) => steady![xs.indexOf(nines)];
  assert.equal(at(1), figures.latency.steady.p90);
  assert.equal(at(2), figures.latency.steady.p99);
  assert.equal(at(3), figures.latency.steady.p999);
  assert.equal(steady!.at(-1), figures.latency.steady.max);
  const last = xs[startup!.findLastIndex((value) => value !== null)]!;
  assert.ok(
    last >= Math.log10(5000) && last < Math.log10(5000) + 0.1,
    `the curve of 5000 samples ends at ${last}`,
  );
});

test('HLS: requests, distributions and problems are on the page, and only where there is HLS', () => {
  const page = renderReport(load({ hls: hlsFigures({ problems: { 'hls.gap': 4321 } }) }));
  assert.match(page, /<code>hls\.gap<\/code><\/th><td class="number">4,321</);
  for (const row of ['Playlist requests', 'Segment requests', 'Staleness of playlists'])
    assert.ok(page.includes(`<th scope="row">${row}</th>`), row);
  assert.ok(!renderReport(load()).includes('HLS requests'));
});

test('SRT and WHEP: packets, distributions and problems are on the page, and only where there are such players', () => {
  const packets = { ...srtFigures().packets, dropped: 1234 };
  const srt = srtFigures({ packets, problems: { 'mpegts.continuity': 4321 } });
  const page = renderReport(load({ srt, webrtc: webRtcFigures() }));
  assert.match(page, /<code>mpegts\.continuity<\/code><\/th><td class="number">4,321</);
  assert.match(page, /<div class="tile bad"><dt>Dropped, too late<\/dt><dd><span class="value">1,234</);
  const worst = /Players that missed most<\/summary>.*?<tbody>(.*?)<\/tbody>/s.exec(page)![1]!;
  assert.deepEqual(
    [...worst.matchAll(/<td class="number">([^<]*)</g)].map(([, cell]) => cell),
    ['0', '0', '4', '3', '0.7 ms'],
    'whoever missed nothing is left out',
  );
  for (const row of ['Round trip, SRT', 'Offer answered', 'Jitter, RTP'])
    assert.ok(page.includes(`<th scope="row">${row}</th>`), row);
  const plain = renderReport(load());
  assert.ok(!plain.includes('SRT packets') && !plain.includes('WebRTC packets'));
});

/** Words of the cells, row by row: those of the head, then those of the bodies. */
function tableOf(page: string, label: string): { head: string[][]; body: string[][] } {
  const start = page.indexOf(`aria-label="${label}"`);
  assert.notEqual(start, -1, label);
  const rows = page.slice(start, page.indexOf('</table>', start)).split('<tr').slice(1);
  const cells = rows.map((row) =>
    [...row.matchAll(/<t[hd]\b[^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell]) =>
      cell!
        .replace(/<svg[\s\S]*?<\/svg>|<[^>]*>/g, '')
        .replaceAll('&#39;', "'")
        .trim(),
    ),
  );
  const heads = rows.filter((row) => row.includes('scope="col"')).length;
  return { head: cells.slice(0, heads), body: cells.slice(heads) };
}

test('a benchmark: latency by protocol and players, with startup, tail, stalls, loss and cost in columns', () => {
  const { latency } = benchFigures();
  const { head, body } = tableOf(renderReport(benchRun()), 'Latency');
  const percentiles = ['p50', 'p90', 'p99', 'p99.9'];
  assert.deepEqual(head, [
    [
      ...['Protocol', 'Players', 'Startup', 'Latency, steady', 'Stalls', 'Lost', 'Joined', 'Repetitions'],
      ...['Servers', 'Generator'],
    ],
    [...percentiles, ...percentiles, 'cores', 'memory', 'cores', 'memory', 'health'],
  ]);
  assert.deepEqual(body[0], ['edge-cluster, builtin']);
  assert.equal(body.length, 1 + latency.length);
  for (const [i, { protocol, at, players, startup, steady, stalls, frames, server }] of latency.entries()) {
    const row = body[i + 1]!;
    assert.deepEqual(row.slice(0, 12), [
      `${protocol} at ${at}`,
      formatNumber(players),
      ...[startup, steady].flatMap(({ p50, p90, p99, p999 }) => [p50, p90, p99, p999].map(formatMs)),
      formatPercent(stalls.ratio),
      `${formatNumber(frames.missing + frames.faulty)} of ${formatNumber(frames.received)}`,
    ]);
    assert.deepEqual(row.slice(14, 18), [
      ...(server === null ? ['—', '—'] : ['0.4', '300 MB']),
      '0.2',
      '180 MB',
    ]);
  }
  assert.equal(body.at(-1)!.at(-1), 'unhealthy');
});

test('a benchmark: every ladder has its number, the cost of a client, two curves and its steps', () => {
  const { ladders } = benchFigures();
  const page = renderReport(benchRun());
  const { head, body } = tableOf(page, 'Largest numbers');
  assert.deepEqual(head, [
    ['Climbs', 'Most', 'Failed at', 'Gave way', 'A client costs the servers', 'and the generator'],
    ['cores', 'memory', 'cores', 'memory'],
  ]);
  assert.deepEqual(body.slice(1, 3), [
    [
      'players of rtmp at balancer',
      '4,000',
      '6,000',
      'server',
      '0.100 mcores',
      '40 kB',
      '0.040 mcores',
      '20 kB',
    ],
    [
      'players of hls at cache',
      '≥ 1,000',
      '1,500',
      'machine',
      '0.100 mcores',
      '40 kB',
      '0.040 mcores',
      '20 kB',
    ],
  ]);
  assert.deepEqual(body[4], ['publishers of rtmp at origin', '—', '100', 'server', '—', '—', '—', '—']);
  for (const [i, { climbs, protocol, steps }] of ladders.entries()) {
    for (const curve of ['latency', 'cores'])
      assert.match(page, new RegExp(`data-plot="ladder-${i + 1}-${curve}"`));
    const what = climbs === 'joins' ? 'joins per second' : climbs;
    const table = tableOf(page, `Steps of ${what} of ${protocol}, edge-cluster, builtin`);
    assert.deepEqual(
      table.body.map(([value]) => value),
      steps
        .map(({ value }) => value)
        .toSorted((a, b) => a - b)
        .map(formatNumber),
    );
  }
});

test('k6: what a viewer costs it and our swarm', () => {
  assert.deepEqual(tableOf(renderReport(k6Run()), 'What viewers cost').body, [
    ['k6', '0.16', '108 MB', '5.333 mcores', '3,690 kB', '61 MB', '2,100', '2,018 ms', '3,312 ms'],
    ['swarm', '0.063', '198 MB', '2.100 mcores', '6,748 kB', '61 MB', '20,700', '2,116 ms', '3,781 ms'],
  ]);
});

test('the timeline of a fault: a bar for each client, what is late in the colour of a failure, every figure in a table', () => {
  const page = renderReport(gate([finding({ timeline: timeline() })]));
  const bars = [...page.matchAll(/class="gap (\w+)" x="([\d.-]+)" y="[\d.]+" width="([\d.]+)"/g)];
  assert.deepEqual(
    bars.map(([, kind]) => kind),
    ['publishes', 'waits', 'untouched', 'open'],
  );
  for (const [, , x, width] of bars) assert.ok(Number(x) >= 190 && Number(x) + Number(width) <= 1000);
  assert.match(page, />kill origin<\/text>/);
  const [, from, width] = /<rect class="outage" x="([\d.]+)" y="\d+" width="([\d.]+)"/.exec(page)!;
  const cure = /<line class="mark cure" x1="([\d.]+)"/.exec(page)![1];
  assert.ok(Math.abs(Number(from) + Number(width) - Number(cure)) < 0.2, 'shaded from the fault to its cure');
  assert.match(page, />cured<\/text>/);
  assert.match(page, /p50 3,089, p90 8,000/);
  assert.match(page, /at most 3 \(edge-1\), 1 allowed/);
  assert.match(page, /<td class="number">never<\/td>/);
  assert.doesNotMatch(page, /<svg class="timeline"[^>]*style=|NaN|undefined/);
});

test('a timeline without a bound for connections, or without a cure, has neither', () => {
  const { connections: _, storm: __, ...bare } = timeline({ cured: null });
  const page = renderReport(gate([finding({ timeline: bare })]));
  assert.doesNotMatch(page, />connections tried<|>cured<|within a second/);
});

test('how busy the machine was is told where it was measured, and is not 0 where it was not', () => {
  const busy = /Machine, at the busiest/;
  assert.match(renderReport(benchRun(bench())), busy);
  assert.doesNotMatch(renderReport(benchRun(bench({ latency: [], ladders: [], economics: [] }))), busy);
});
