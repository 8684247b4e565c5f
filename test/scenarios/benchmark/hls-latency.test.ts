import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { plotOf, renderLatencyPage } from '../../../scenarios/benchmark/hls-latency-page.ts';
import { Playhead } from '../../../scenarios/benchmark/hls-latency-playhead.ts';
import type { LatencyRow } from '../../../scenarios/benchmark/hls-latency-run.ts';
import { CLAIM, DEFINITIONS, explain } from '../../../scenarios/benchmark/hls-latency-words.ts';

const FRAME_MS = 40;
const T0 = 1_700_000_000_000;

function playhead(): {
  frames(from: number, count: number, now: number): void;
  shown: number[];
  stalls(): number;
} {
  const shown: number[] = [];
  const head = new Playhead((latency) => shown.push(latency));
  return {
    shown,
    stalls: () => head.stalls,
    /** Frames are published at their timestamps; they come together. */
    frames(from, count, now) {
      for (let i = from; i < from + count; i++) head.frame(i * FRAME_MS, T0 + i * FRAME_MS, T0 + now);
    },
  };
}

describe('the playhead', () => {
  test('nothing is shown until there is a second of media', () => {
    const { frames, shown } = playhead();
    frames(0, 25, 3000);
    assert.deepEqual(shown, []);
    frames(25, 1, 3500);
    assert.equal(shown.length, 26);
  });

  test('from then on every frame is as late as the first, however early it came', () => {
    const { frames, shown, stalls } = playhead();
    frames(0, 50, 3000);
    frames(50, 50, 4100);
    frames(100, 50, 6900);
    assert.equal(shown.length, 150);
    assert.deepEqual(new Set(shown), new Set([3000]));
    assert.equal(stalls(), 0);
  });

  test('a frame that comes after its time stops the picture, which starts again with a second of media', () => {
    const { frames, shown, stalls } = playhead();
    frames(0, 50, 3000);
    frames(50, 25, 5500);
    assert.equal(stalls(), 1);
    assert.equal(shown.length, 50);
    frames(75, 25, 6000);
    assert.equal(shown.length, 100);
    assert.deepEqual(new Set(shown.slice(50)), new Set([6000 - 50 * FRAME_MS]));
    assert.equal(stalls(), 1);
  });
});

function row(changes: Partial<LatencyRow>): LatencyRow {
  return {
    engine: 'builtin',
    fragmentSeconds: 1,
    start: '3-segments',
    segmentSeconds: 1,
    targetDuration: 1,
    players: 6,
    frames: 1000,
    arrival: { p50: 900, p99: 1800 },
    shown: { p50: 3400, p99: 3900 },
    stalls: 0,
    problems: {},
    ...changes,
  };
}

describe('the words', () => {
  test('tell what was measured, what it is made of, and what was claimed', () => {
    const told = explain([row({}), row({ start: 'live-edge' })]).join('\n');
    assert.match(
      told,
      /builtin, fragments of 1 s: 3\.4 s at the median, 3\.9 s at the 99th.* make 3 to 4\.0 s/,
    );
    assert.match(told, /claims 5 to 10 s at fragments of 1 s\. Measured: builtin 3\.4 s \(not within it\)\./);
    assert.doesNotMatch(told, /Within the claim/);
  });

  test('name what lies within the claim', () => {
    const slow = row({ shown: { p50: 6000, p99: 7000 } });
    const long = row({
      fragmentSeconds: 2,
      segmentSeconds: 2,
      targetDuration: 2,
      shown: { p50: 7100, p99: 7900 },
    });
    const told = explain([slow, long]).join('\n');
    assert.match(told, /builtin 6\.0 s \(within it\)/);
    assert.match(told, /Within the claim was: builtin 7\.1 s with segments of 2 s\./);
  });

  test('are silent about what was not measured', () => {
    const told = explain([row({ fragmentSeconds: 2 }), row({ shown: { p50: null, p99: null } })]).join('\n');
    assert.doesNotMatch(told, /The guide/);
    assert.doesNotMatch(told, /fragments of 1 s/);
  });
});

test('the plot has a line per server and start, with a hole where nothing was measured', () => {
  const rows = [
    row({ fragmentSeconds: 3 }),
    row({ engine: 'srs', start: 'live-edge', shown: { p50: 2500, p99: 2900 } }),
  ];
  const { x, lines } = plotOf({ rows, claim: CLAIM });
  assert.deepEqual(x, [1, 3]);
  assert.deepEqual(
    lines.map(({ label, dashed, p50 }) => [label, dashed, p50]),
    [
      ['builtin, 3-segments', false, [null, 3.4]],
      ['builtin, live-edge', true, [null, null]],
      ['srs, 3-segments', false, [null, null]],
      ['srs, live-edge', true, [2.5, null]],
    ],
  );
});

test('the page needs nothing else, runs nothing but its own scripts, and shows names as text', () => {
  const page = renderLatencyPage({
    startedAt: '2026-01-01T00:00:00.000Z',
    machine: { cpu: '<img src=x>', cores: 2, node: 'v20' },
    claim: CLAIM,
    definitions: DEFINITIONS,
    rows: [row({})],
    explanation: explain([row({})]),
  });
  assert.doesNotMatch(page, /<img|<link|src="|href="http/);
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1]?.replaceAll('&#39;', "'") ?? '';
  const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) => script!);
  assert.equal(scripts.length, 2);
  for (const script of scripts) {
    assert.ok(policy.includes(createHash('sha256').update(script).digest('base64')));
  }
  assert.match(page, /<td class="number">3\.4 s<\/td>/);
});
