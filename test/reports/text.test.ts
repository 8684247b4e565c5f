import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatMs, formatNumber, formatPercent, formatSeconds } from '../../reports/format.ts';
import { renderJunit } from '../../reports/junit.ts';
import { renderMarkdown } from '../../reports/markdown.ts';
import type { BrowserPlay, Verdict } from '../../reports/results.ts';
import type { GateHealth } from '../../reports/results-gate.ts';
import {
  distribution,
  finding,
  gate,
  gateHealth,
  hlsFigures,
  load,
  mutants,
  srtFigures,
  webRtcFigures,
} from './samples.ts';
import { bench, latency } from './samples-bench.ts';
import { benchRun, browserRun, k6Run } from './samples-runs.ts';

const HOSTILE = `a|b\n# c @team [x](http://evil) <b> \`d\` ]]> & "q" \u0001\ud800`;

test('JUnit: a suite per area, a case per finding, counts that add up', () => {
  const xml = renderJunit(gate());
  assert.match(
    xml,
    /<testsuites name="liveproof gate" tests="7" failures="1" errors="1" skipped="0" time="81\.400">/,
  );
  assert.deepEqual(
    [...xml.matchAll(/<testsuite name="([^"]*)" tests="(\d+)"/g)].map(([, name, tests]) => [name, tests]),
    [
      ['back-to-source', '3'],
      ['fan-out', '2'],
      ['rtmp', '1'],
      ['flv', '1'],
    ],
  );
  assert.equal(xml.match(/<testcase /g)!.length, 7);
  const names = [...xml.matchAll(/<testcase name="([^"]*)"/g)].map(([, name]) => name);
  assert.equal(new Set(names).size, 7);
});

test('JUnit: only a pass is green, and what nobody could judge is an error', () => {
  const element: Record<Verdict, RegExp> = {
    pass: /<testcase [^>]*\/>/,
    fail: /<testcase [^>]*>\s*<failure [^>]*type="fail"/,
    error: /<testcase [^>]*>\s*<error [^>]*type="error"/,
    inconclusive: /<testcase [^>]*>\s*<error [^>]*type="inconclusive"/,
    unsupported: /<testcase [^>]*>\s*<skipped [^>]*type="unsupported"/,
  };
  for (const [verdict, pattern] of Object.entries(element)) {
    assert.match(renderJunit(gate([finding({ verdict: verdict as Verdict })])), pattern);
  }
  assert.match(renderJunit({ ...gate([]), verdict: 'error' }), /<error message="nothing was judged"/);
});

test('JUnit: any text gives well-formed XML', () => {
  const xml = renderJunit(
    gate([finding({ verdict: 'fail', actual: HOSTILE, title: HOSTILE, mutant: HOSTILE })]),
  );
  assert.doesNotMatch(xml, /[^\P{Cc}\n]|\p{Cs}/u);
  const open: string[] = [];
  for (const [tag, name] of xml
    .replace(/^<\?xml[^>]*\?>/, '')
    .matchAll(/<\/?([a-z]+)(?: [a-z]+="[^"<]*")*\/?>/g)) {
    if (tag.startsWith('</')) assert.equal(open.pop(), name);
    else if (!tag.endsWith('/>')) open.push(name!);
  }
  assert.deepEqual(open, []);
  const between = xml.replace(/<[^>]*>/g, '');
  assert.doesNotMatch(between, /[<>]|&(?!#\d+;)/);
});

test('Markdown: verdict first, areas, and what did not pass', () => {
  const text = renderMarkdown(gate());
  assert.match(text, /^## ❌ liveproof gate: fail\n/);
  assert.match(text, /\| back-to-source \| ❌ 1 fail, ✅ 2 pass \|/);
  assert.match(text, /edge-2 still had its upstream connection after 4\.9 s/);
  assert.doesNotMatch(text, /merged-per-edge/);
  assert.match(
    renderMarkdown(mutants()),
    /\(edge-cluster, builtin, mutant edge-pulls-twice-under-herd\): survived/,
  );
});

test('Markdown: a gate says in a line whether it had the CPUs', () => {
  const line = (of: Partial<GateHealth>) => renderMarkdown({ ...gate(), health: gateHealth(of) });
  assert.match(
    line({}),
    /^Generator: the event loop of the gate was held up for 38 ms at the worst \(fan-out\/spread\); others kept it or a node from a CPU for 48 ms of a second at the most \(origin, back-to-source\/lazy\), 250 ms are borne\.$/m,
  );
  assert.match(line({ starved: 2 }), /^Generator: \*\*kept from the CPUs\*\*: /m);
  assert.match(line({ wait: null }), /this system does not tell who waits for a CPU/);
});

test('Markdown: a load shows its figures', () => {
  const text = renderMarkdown(load());
  assert.match(text, /5,000 of 5,000 players joined, no frame missing, steady latency p99 155 ms/);
  assert.match(text, /\| Latency, steady \| 91 ms \| 128 ms \| 155 ms \| 184 ms \| 294 ms \| 200,000 \|/);
});

test('Markdown: a load of HLS shows its requests and problems', () => {
  const text = renderMarkdown(load({ hls: hlsFigures({ problems: { 'hls.gap': 4 }, retries: 9 }) }));
  assert.match(text, /\| Segment requests \| .* \| 8,800 \|/);
  assert.match(text, /\| 9,000 \| 0 \| 8,800 \| 0 \| 0 \| 9 \| 2 \| 0 \| hls\.gap × 4 \|/);
});

test('Markdown: a load of SRT and WHEP shows its packets', () => {
  const srt = srtFigures({ problems: { 'mpegts.continuity': 4 } });
  const text = renderMarkdown(load({ srt, webrtc: webRtcFigures() }));
  assert.match(text, /\| Round trip, SRT \| .* \| 15,000 \|/);
  assert.match(text, /\| Jitter, RTP \| .* \| 15,000 \|/);
  assert.match(text, /\| 400,000 \| 31 \| 31 \| 0 \| 0 \| 0 \| 29 \| 120 ms \| mpegts\.continuity × 4 \|/);
  assert.match(text, /\| 500,000 \(lite\) \| 100,000 \| 0 \| 4 \| 4 \| 0 \| 0 \| 4 \| 2 \| 3,000 \| none \|/);
});

test('Markdown: a benchmark shows startup and latency with their tails, and what a client costs on both sides', () => {
  const text = renderMarkdown(
    benchRun(bench({ latency: [latency({ startup: distribution(1000, 600, 90) })] })),
  );
  const startup = distribution(1000, 600, 90);
  const tail = [startup.p50, startup.p90, startup.p99, startup.p999].map(formatMs).join(' | ');
  assert.ok(
    text.includes(
      `| edge-cluster, builtin | rtmp | 100 | ${tail} | 350 ms | 560 ms | 690 ms | 700 ms | 0 % | 0 | 0.4 cores, 300 MB | healthy, 0.2 cores, 180 MB |`,
    ),
    text,
  );
  assert.match(
    text,
    /\| players of rtmp \| 1,000 \| server \| 0\.100 mcores \| 40 kB \| 0\.040 mcores \| 20 kB \|/,
  );
});

test('Markdown: a browser shows glass to glass beside the driver, of healthy clusters', () => {
  const results = browserRun();
  const text = renderMarkdown(results);
  const [{ glass, driver }] = results.browser!.plays as [BrowserPlay];
  const late = [glass.p50, glass.p99, driver.p50, driver.p99].map(formatMs).join(' | ');
  assert.ok(text.includes(`| edge-cluster, builtin | flv | 132 ms | ${late} | 189 | 0 | 1 | 1.25 % |`), text);
  assert.equal(text.match(/\| hls \|/g)!.length, 1);
  assert.match(text, /1 play of clusters with a defect/);
});

test('Markdown: k6 shows what viewers cost it and our swarm', () => {
  const text = renderMarkdown(k6Run());
  assert.match(text, /\| 30 HLS viewers \| Cores \|/);
  assert.match(
    text,
    /\| k6 \| 0\.16 \| 108 MB \| 5\.333 mcores \| 3,690 kB \| 61 MB \| 2,100 \| 2,018 ms \| 3,312 ms \|/,
  );
  assert.match(
    text,
    /\| swarm \| 0\.063 \| 198 MB \| 2\.100 mcores \| 6,748 kB \| 61 MB \| 20,700 \| 2,116 ms \| 3,781 ms \|/,
  );
  const { k6, ...rest } = k6Run();
  assert.doesNotMatch(renderMarkdown({ ...rest, k6: { scripts: k6!.scripts } }), /HLS viewers/);
});

test('Markdown: text of a server cannot form markup, links, mentions or rows', () => {
  const line = renderMarkdown(gate([finding({ verdict: 'fail', actual: HOSTILE })]))
    .split('\n')
    .find((candidate) => candidate.startsWith('  - actual: '))!;
  assert.doesNotMatch(line.slice('  - actual: '.length), /[|@[\]<>`\p{Cc}]|:\/\/|(?<!&)#/u);
});

test('figures as people read them', () => {
  assert.deepEqual([0, 0.04, 0.5, 3.16, 42.4, 1234567, null].map(formatNumber), [
    '0',
    '0.04',
    '0.5',
    '3.2',
    '42',
    '1,234,567',
    '—',
  ]);
  assert.deepEqual([0.25, 155.2, 12_345, null].map(formatMs), ['0.25 ms', '155 ms', '12.3 s', '—']);
  assert.deepEqual([980, 59_960, 125_000].map(formatSeconds), ['1.0 s', '1 min 0 s', '2 min 5 s']);
  assert.deepEqual([0, 999, 8.4e9].map(formatBytes), ['0 B', '999 B', '8.4 GB']);
  assert.deepEqual([0, 0.00001, 0.0123, 1].map(formatPercent), ['0 %', '< 0.01 %', '1.23 %', '100 %']);
});
