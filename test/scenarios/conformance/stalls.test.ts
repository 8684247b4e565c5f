/** Judges of what more than one protocol's checks look at: stalled peers, absent streams, timestamps in order. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judgeAbsent } from '../../../scenarios/conformance/absent-stream.ts';
import { judgeMonotonic } from '../../../scenarios/conformance/monotonic.ts';
import { judgeStalls } from '../../../scenarios/conformance/stalls.ts';
import type { StepData } from '../../../scenarios/history.ts';
import { frames, Script, verdictOf } from './histories.ts';

describe('stalled peers', () => {
  const of = (setting: StepData, ...afterMs: number[]) => {
    const script = new Script().step('stalls', setting);
    for (const [i, after] of afterMs.entries()) {
      script.step('stall', { name: `peer ${i}`, ended: 'fin', afterMs: after });
    }
    return verdictOf(judgeStalls(script.history));
  };

  test('closed in time', () => {
    assert.deepEqual(of({ count: 2, boundMs: 2000 }, 2001, 3500), { verdict: 'pass', says: '' });
  });

  test('closed, but long after the bound', () => {
    const { verdict, says } = of({ count: 2, boundMs: 2000 }, 2001, 60_000);
    assert.equal(verdict, 'fail');
    assert.match(says, /peer 1: 60000 ms/);
  });

  test('none of none, one that has no time, and a number that nobody told', () => {
    assert.equal(of({ count: 0, boundMs: 2000 }).verdict, 'inconclusive');
    assert.equal(of({ count: 1, boundMs: 2000 }, Number.NaN).verdict, 'inconclusive');
    assert.equal(of({ boundMs: 2000 }, 2001).verdict, 'inconclusive');
  });
});

describe('absent streams', () => {
  const reading = (node: string, clients: number) => ({
    ...({ type: 'api.stream', node, stream: 'absent', clients } as const),
    ...{ upstreams: 0, upstreamsOf: {}, publishers: 0 },
  });
  const course = ({ seekers = 6, read = true, count = { seekers: 6 } as StepData }) => {
    const tap = { tap: 'edge>origin', from: 'edge' };
    const script = new Script()
      .step('absent.seeking', { stream: 'absent', nodes: 'origin edge', edges: 'edge', ...count })
      .event(reading('edge', 3))
      .event(reading('origin', 3))
      .event({ type: 'tap.open', ...tap, connection: 1, open: 1 })
      .steps(
        'absent.seeker',
        Array.from({ length: seekers }, () => ({ node: 'edge', answer: '404', media: false })),
      )
      .step('absent.leaving');
    for (const node of read ? ['edge', 'origin'] : []) script.event(reading(node, 0));
    script.step('absent.gone');
    // Witnesses are not what this is about.
    const own = judgeAbsent(script.history).filter(
      ({ expected }) => !expected.startsWith('players of another'),
    );
    return verdictOf(own);
  };

  test('no media for any, and no trace', () => {
    assert.deepEqual(course({}), { verdict: 'pass', says: '' });
  });

  test('players of whom nothing was seen', () => {
    assert.deepEqual(course({ seekers: 5 }), { verdict: 'inconclusive', says: '5 players: 404, of 6' });
    assert.equal(course({ count: {} }).verdict, 'inconclusive');
  });

  test('an API that was not asked after they had left', () => {
    assert.deepEqual(course({ read: false }), {
      verdict: 'inconclusive',
      says: 'the API was not read to the end',
    });
  });
});

test('timestamps of one audio frame are in no order', () => {
  const of = (audio: number) => {
    const items = frames(70).filter(({ kind, timestamp }) => kind === 'video' || timestamp < audio * 40);
    const script = new Script().step('monotonic', { players: 'p' }).got('p', items);
    return verdictOf(judgeMonotonic(script.history, 60)).verdict;
  };
  assert.equal(of(10), 'pass');
  assert.equal(of(1), 'inconclusive');
});
