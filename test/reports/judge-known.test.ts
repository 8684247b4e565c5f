import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeKnown, KnownVerdict, type KnownVerdicts } from '../../reports/judge-known.ts';
import type { Finding } from '../../reports/results.ts';
import { finding as sample } from './samples.ts';

const finding = (more: Partial<Finding> = {}): Finding =>
  sample({
    check: 'hls/window',
    topology: 'edge-cluster',
    engine: 'srs',
    verdict: 'fail',
    actual: 'b',
    ...more,
  });
const run = (...findings: Finding[]) => ({ findings, interrupted: false });
const list = (more: Partial<KnownVerdict> = {}): KnownVerdicts => ({
  schema: 'liveproof/known@1',
  known: [
    {
      checks: ['hls/window'],
      verdicts: ['fail'],
      why: 'segments go at once',
      see: 'docs/compose.md#what-was-seen',
      ...more,
    },
  ],
});

describe('what is known of a server', () => {
  it('is shown, and no news', () => {
    assert.deepEqual(
      judgeKnown(run(finding(), finding({ check: 'a/b', verdict: 'pass' })), 'compose', list()),
      {
        verdict: 'pass',
        news: [],
        known: [
          'fail: hls/window on edge-cluster of srs: segments go at once (docs/compose.md#what-was-seen)',
        ],
        passed: [],
      },
    );
  });

  it('is that of its engine, clusters and runner only', () => {
    for (const wrong of [
      { engine: 'builtin' },
      { topologies: ['forward-cluster'] },
      { runner: 'process' as const },
      { checks: ['hls/win'] },
    ]) {
      const { verdict, news, known } = judgeKnown(run(finding()), 'compose', list(wrong));
      assert.deepEqual([verdict, news.length, known.length], ['fail', 1, 0], JSON.stringify(wrong));
    }
    const right = {
      engine: 'srs',
      topologies: ['edge-cluster'],
      runner: 'compose' as const,
      checks: ['hls/*'],
    };
    assert.equal(judgeKnown(run(finding()), 'compose', list(right)).verdict, 'pass');
  });

  it('is the verdict that is listed and no other', () => {
    for (const verdict of ['unsupported', 'inconclusive', 'error'] as const) {
      const judgement = judgeKnown(run(finding({ verdict })), 'compose', list());
      assert.equal(judgement.verdict, verdict);
      assert.deepEqual(judgement.news, [`${verdict}: hls/window on edge-cluster of srs: b`]);
    }
    const verdicts: KnownVerdict['verdicts'] = ['unsupported', 'inconclusive'];
    for (const verdict of verdicts)
      assert.equal(judgeKnown(run(finding({ verdict })), 'compose', list({ verdicts })).verdict, 'pass');
  });

  it('that passes is named, by id and not by area', () => {
    const passes = run(finding({ verdict: 'pass' }));
    assert.deepEqual(judgeKnown(passes, 'compose', list()).passed, [
      'pass: hls/window on edge-cluster of srs: segments go at once (docs/compose.md#what-was-seen)',
    ]);
    assert.deepEqual(judgeKnown(passes, 'compose', list({ checks: ['hls/*'] })).passed, []);
    assert.equal(judgeKnown(passes, 'compose', list()).verdict, 'pass');
  });

  it('says nothing of a run that was interrupted or judged nothing', () => {
    assert.equal(
      judgeKnown({ ...run(finding()), interrupted: true }, 'compose', list()).verdict,
      'inconclusive',
    );
    assert.equal(judgeKnown(run(), 'compose', list()).verdict, 'inconclusive');
  });

  it('that comes by chance is known by what was logged', () => {
    const chance = list({ checks: ['hls/*'], logged: String.raw`\[(\w+)\] lost\n[\s\S]*\[\1\] begun` });
    const judged = (log: string) => judgeKnown(run(finding()), 'compose', chance, () => log);
    assert.equal(judged('[a] lost\n[b] begun\n[a] begun').known.length, 1);
    assert.equal(judged('[a] lost\n[b] begun').news.length, 1);
    assert.equal(judgeKnown(run(finding()), 'compose', chance).news.length, 1, 'without a log');
    const passes = run(finding({ verdict: 'pass' }));
    const byId = list({ logged: 'lost' });
    assert.deepEqual(judgeKnown(passes, 'compose', byId, () => 'lost').passed, []);
    assert.equal(KnownVerdict.safeParse({ ...byId.known[0], logged: '(' }).success, false);
  });
});
