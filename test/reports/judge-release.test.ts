import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readRules } from '../../cli/release-gate.ts';
import type { KnownVerdict } from '../../reports/judge-known.ts';
import { judgeRelease, type ReleaseRules } from '../../reports/judge-release.ts';
import type { Finding } from '../../reports/results.ts';

const PART = 'unsupported';
const NONE: ReleaseRules = { schema: 'liveproof/release@1', unsupported: [] };

const finding = (more: Partial<Finding> = {}): Finding => ({
  check: 'srt/latency',
  topology: 'edge-cluster',
  engine: 'srs',
  verdict: 'pass',
  expected: 'a',
  actual: 'b',
  evidence: [],
  durationMs: 1,
  ...more,
});
const run = (...findings: Finding[]) => ({ findings, interrupted: false, command: ['gate'] });
const listed = (more: object = {}): ReleaseRules => ({
  ...NONE,
  unsupported: [{ check: 'srt/latency', why: 'SRS has no such setting', ...more }],
});

describe('a release', () => {
  it('is free when everything passed', () => {
    const judgement = judgeRelease([run(finding())], NONE, PART);
    assert.deepEqual(judgement, { verdict: 'pass', obstacles: [], allowed: [], unused: [], passed: [] });
  });

  it('is held by every verdict but pass, listed or not', () => {
    for (const verdict of ['fail', 'error', 'inconclusive'] as const) {
      const { obstacles } = judgeRelease([run(finding({ verdict }))], listed(), PART);
      assert.equal(obstacles.length, 1, verdict);
    }
  });

  it('is held by what is unsupported and not listed', () => {
    const unsupported = finding({ verdict: 'unsupported', actual: 'it cannot' });
    assert.equal(judgeRelease([run(unsupported)], NONE, PART).verdict, 'fail');
    assert.equal(judgeRelease([run(unsupported)], listed(), PART).verdict, 'pass');
    assert.equal(judgeRelease([run(unsupported)], listed({ check: 'srt/*' }), PART).verdict, 'pass');
    assert.equal(judgeRelease([run(unsupported)], listed({ engine: 'builtin' }), PART).verdict, 'fail');
    assert.equal(judgeRelease([run(unsupported)], listed({ topology: 'proxy-redis' }), PART).verdict, 'fail');
  });

  it('counts the unsupported part of a check that passed', () => {
    const part = finding({ evidence: [{ label: PART, detail: 'RTMP to WHEP: no bridge' }] });
    assert.deepEqual(judgeRelease([run(part)], NONE, PART).obstacles, [
      'unsupported and not listed: srt/latency on edge-cluster of srs: RTMP to WHEP: no bridge',
    ]);
    assert.equal(judgeRelease([run(part)], listed(), PART).verdict, 'pass');
  });

  it('is held by a run that was interrupted, judged nothing, or is not there', () => {
    assert.equal(judgeRelease([{ ...run(finding()), interrupted: true }], NONE, PART).verdict, 'fail');
    assert.equal(judgeRelease([run()], NONE, PART).verdict, 'fail');
    assert.equal(judgeRelease([], NONE, PART).verdict, 'fail');
  });

  it('is not held by what is known of a server, where that is asked for', () => {
    const known: KnownVerdict[] = [
      {
        checks: ['srt/latency'],
        engine: 'srs',
        verdicts: ['fail'],
        why: 'SRS has its own',
        see: 'docs/compose.md#what-was-seen',
      },
    ];
    const failed = run(finding({ verdict: 'fail' }));
    assert.equal(judgeRelease([failed], NONE, PART).verdict, 'fail');
    const { verdict, allowed } = judgeRelease([failed], NONE, PART, known);
    assert.equal(verdict, 'pass');
    assert.deepEqual(allowed, [
      'fail: srt/latency on edge-cluster of srs: SRS has its own (docs/compose.md#what-was-seen)',
    ]);
    for (const other of [{ engine: 'builtin' }, { verdict: 'error' as const }, { check: 'srt/rtt' }]) {
      const held = judgeRelease([run(finding({ verdict: 'fail', ...other }))], NONE, PART, known);
      assert.equal(held.verdict, 'fail', JSON.stringify(other));
    }
    assert.equal(judgeRelease([run(finding())], NONE, PART, known).passed.length, 1);
  });

  it('names entries that nothing needs', () => {
    assert.equal(judgeRelease([run(finding())], listed(), PART).unused.length, 1);
  });

  it('has rules of its own that can be read', () => {
    assert.equal(readRules('fixtures/release-gate.yaml').schema, 'liveproof/release@1');
    assert.throws(() => readRules('fixtures/none.yaml'), /no file of rules/);
    assert.throws(() => readRules('docker-compose.yml'), /not a file of rules/);
    assert.throws(() => readRules('biome.json'), /not a file of rules/);
  });
});
