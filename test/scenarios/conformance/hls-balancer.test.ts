import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeMediaPlaylist } from '../../../protocols/hls/write.ts';
import { throughTheBalancer } from '../../../scenarios/conformance/hls-balancer.ts';
import type { HistoryEvent } from '../../../scenarios/history.ts';
import { verdictOf } from './histories.ts';
import { playlistEvents } from './hls-story.ts';
import { Timeline, video } from './timeline.ts';

/** The first frame of segment 0; null when the segment has no frame with a number. */
interface Fetched {
  readonly a?: number | null;
  readonly b?: number | null;
  /** Of the client that stays, and of the one that moves; both have the playlist of `a`. */
  readonly stays?: number | null;
  readonly moves?: number | null;
}

function verdict({ a = 0, b = 25, stays = 0, moves = 0 }: Fetched): { verdict: string; says: string } {
  const { history } = new Timeline().step(900, 'watched', { nodes: 'a b' });
  const add = (...events: HistoryEvent[]) => {
    for (const event of events) history.append(event);
  };
  const fetched = (client: string, t: number, from: number | null, others: number) => {
    const text = writeMediaPlaylist({
      targetDuration: 1,
      mediaSequence: 0,
      segments: Array.from({ length: 1 + others }, (_, i) => ({ uri: `s-${i}.ts`, duration: 1 })),
    });
    add(...playlistEvents(client, t, text));
    const items = video({ from: from ?? 0, count: 25 });
    for (const item of items.map((one) => (from === null ? { ...one, stamp: null } : one)))
      add({ t, type: 'player.got', client, stream: '', ...item });
    const data = { client, sequence: 0, uri: 's-0.ts', duration: 1, status: 200, broken: null, error: null };
    add({ t, type: 'step', step: 'segment', data });
  };
  fetched('a', 1000, a, 0);
  fetched('b', 1000, b, 1);
  for (const [client, from] of [
    ['stays', stays],
    ['moves', moves],
  ] as const) {
    add({ t: 1100, type: 'step', step: 'visit', data: { client, moves: client === 'moves' } });
    fetched(client, 1100, from, 0);
  }
  return verdictOf(throughTheBalancer.judge(history));
}

test('segments of the same edge pass, one of the other fails', () => {
  assert.deepEqual(verdict({}), { verdict: 'pass', says: '' });
  assert.match(verdict({ moves: 25 }).says, /begins with frame 25 instead of 0/);
});

test('two segments without a number are not the same one', () => {
  const { verdict: worst, says } = verdict({ a: null, stays: null, moves: null });
  assert.equal(worst, 'inconclusive');
  assert.match(says, /stays: s-0.ts has no frame with a number/);
});

test('an edge without a number, or without any segment, is not known to differ', () => {
  const { verdict: worst, says } = verdict({ b: null });
  assert.deepEqual([worst, says], ['inconclusive', 'no frame with a number of b']);
});

test('a segment without a number where the edge has one is another', () =>
  assert.equal(verdict({ stays: null }).verdict, 'fail'));
