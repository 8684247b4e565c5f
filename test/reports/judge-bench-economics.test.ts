import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeEconomics } from '../../reports/judge-bench-economics.ts';
import type { BenchEconomics } from '../../reports/results-bench.ts';
import { economics } from './samples-bench.ts';

/** A stream of 60 kB a second, watched for five seconds by so many, over so many connections to origins. */
function row(viewers: number, pulls: number, of: Partial<BenchEconomics> = {}): BenchEconomics {
  const [viewerBytes, originBytes] = [300_000 * viewers, 300_000 * pulls];
  return economics({
    requested: viewers,
    players: viewers,
    pulls,
    viewerBytes,
    originBytes,
    perViewerByte: originBytes / viewerBytes,
    ...of,
  });
}

function judged(...rows: BenchEconomics[]): Record<string, [string, string]> {
  return Object.fromEntries(
    judgeEconomics(rows).map(({ check, said }) => [check, [said.verdict, said.actual]]),
  );
}

test('edges that pull once each pass, however many watch; the findings tell the share at every count', () => {
  const unmerged = [row(1, 1, { variant: 'unmerged' }), row(100, 100, { variant: 'unmerged' })];
  const [found, ...more] = judgeEconomics([row(100, 3), row(10, 3), row(1, 1), ...unmerged]);
  assert.deepEqual(more, []);
  assert.deepEqual(
    [found!.check, found!.title, found!.said.verdict, found!.said.actual],
    [
      'economics-balancer',
      'Viewers do not multiply what leaves the origin',
      'pass',
      'of the most viewers: origins sent 3 % of what 100 viewers got, over 3 connections',
    ],
  );
  assert.match(found!.said.expected, /^at most one connection for each of edge-1, edge-2, edge-3/);
  assert.deepEqual(found!.said.evidence, [
    { label: 'merged', detail: '1 viewer: 100 % over 1; 10 viewers: 30 % over 3; 100 viewers: 3 % over 3' },
    { label: 'without merged pulls', detail: '1 viewer: 100 % over 1; 100 viewers: 100 % over 100' },
  ]);
});

test('an edge that pulls twice fails, and so does one that pulls for each of its players', () => {
  assert.deepEqual(judged(row(1, 1), row(10, 4), row(100, 3)), {
    'economics-balancer': ['fail', 'origins sent 40 % of what 10 viewers got, over 4 connections'],
  });
  assert.equal(judged(row(1, 1), row(10, 10), row(100, 100))['economics-balancer']![0], 'fail');
});

test('bytes that grow with the viewers fail, though connections do not', () => {
  const grown = row(100, 3, { originBytes: 30_000_000, perViewerByte: 1 });
  const [verdict, actual] = judged(row(1, 1), grown)['economics-balancer']!;
  assert.equal(verdict, 'fail');
  assert.match(actual, /× 100\.0 a second, at most × 6$/);
  const hls = { protocol: 'hls', at: 'cache', mergers: ['cache'] };
  assert.equal(judged(row(1, 1, hls), row(100, 100, hls))['economics-cache']![0], 'fail');
});

test('a cache may have any number of connections, and has the entry without one beside it', () => {
  const cache = { protocol: 'hls', at: 'cache', mergers: ['cache'] };
  const origin = { protocol: 'hls', at: 'origin', mergers: [] };
  const cached = row(100, 7, { ...cache, originBytes: 330_000, perViewerByte: 0.011 });
  const found = judgeEconomics([row(1, 1, cache), cached, row(1, 1, origin), row(100, 100, origin)]);
  assert.deepEqual(
    found.map(({ check, title, said }) => [check, title, said.verdict]),
    [
      ['economics-cache', 'Viewers do not multiply what leaves the origin', 'pass'],
      ['economics-origin', 'What leaves the origin for viewers is counted', 'pass'],
    ],
  );
  assert.deepEqual(found[0]!.said.evidence!.at(-1), {
    label: 'without the cache',
    detail: '1 viewer: 100 % over 1; 100 viewers: 100 % over 100',
  });
});

test('a proxy does not merge: what it takes is counted, and not judged', () => {
  const proxy = { at: 'proxy', mergers: [] };
  assert.equal(judged(row(1, 1, proxy), row(100, 100, proxy))['economics-proxy']![0], 'pass');
  const older = { at: 'proxy' };
  const { mergers: _, ...unknown } = row(100, 100, older);
  assert.equal(judged(unknown)['economics-proxy']![0], 'pass');
});

test('nothing that was not seen passes', () => {
  const nothing = { viewerBytes: 0, perViewerByte: null };
  assert.equal(judged(row(1, 1), row(100, 3, nothing))['economics-balancer']![0], 'inconclusive');
  const blind = row(100, 0, { originBytes: 0, perViewerByte: 0 });
  const [verdict, actual] = judged(row(1, 1), blind)['economics-balancer']!;
  assert.equal(verdict, 'inconclusive');
  assert.match(actual, /^nothing was seen to leave the origins for 100 viewers/);
});

test('viewers that did not join, and a generator without time, say nothing of the server', () => {
  const few = row(3, 1, { requested: 300 });
  const [verdict, actual] = judged(row(1, 1), few)['economics-balancer']!;
  assert.equal(verdict, 'inconclusive');
  assert.match(actual, /^3 of 300 viewers joined; /);
  // However few they are.
  assert.equal(judged(row(1, 1), row(90, 4, { requested: 100 }))['economics-balancer']![0], 'fail');
  const tired = row(100, 100, { healthy: false });
  assert.equal(judged(row(1, 1), tired)['economics-balancer']![0], 'inconclusive');
  assert.equal(judged(row(1, 1), row(100, 3, { healthy: true }))['economics-balancer']![0], 'pass');
  const most = judgeEconomics([row(1, 1), row(299, 3, { requested: 300 })], 0.99);
  assert.equal(most[0]!.said.verdict, 'pass');
  const a = { topology: 'local-origin', at: 'front-a', mergers: ['edge-a1', 'edge-a2', 'edge-a3'] };
  const b = { topology: 'local-origin', at: 'front-b', mergers: ['local-b'] };
  const check = 'economics-front-b-against-front-a';
  const asMuch = row(100, 1, { ...b, originBytes: 900_000, perViewerByte: 0.03, healthy: false });
  assert.equal(judged(row(100, 3, a), asMuch)[check]![0], 'inconclusive');
  assert.equal(judged(row(90, 3, { ...a, requested: 100 }), row(100, 1, b))[check]![0], 'inconclusive');
});

test('a local origin takes less than edges that fetch by themselves, or fails', () => {
  const a = { topology: 'local-origin', at: 'front-a', mergers: ['edge-a1', 'edge-a2', 'edge-a3'] };
  const b = { topology: 'local-origin', at: 'front-b', mergers: ['local-b'] };
  const check = 'economics-front-b-against-front-a';
  assert.deepEqual(judged(row(1, 1, a), row(100, 3, a), row(1, 1, b), row(100, 1, b))[check], [
    'pass',
    'front-b: origins sent 1 % of what 100 viewers got, over 1 connection; front-a: origins sent 3 % of what 100 viewers got, over 3 connections',
  ]);
  const asMuch = row(100, 1, { ...b, originBytes: 900_000, perViewerByte: 0.03 });
  assert.equal(judged(row(100, 3, a), asMuch)[check]![0], 'fail');
  // All viewers at one edge: there is nothing to be spared.
  assert.equal(judged(row(100, 1, a), row(100, 1, b))[check]![0], 'inconclusive');
  assert.equal(judged(row(100, 3, a), row(10, 1, b))[check]![0], 'inconclusive');
  assert.equal(judged(row(100, 3, a))[check], undefined);
});
