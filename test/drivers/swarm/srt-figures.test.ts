import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addSrtSnapshots, SrtMeter, worstPlayers } from '../../../drivers/swarm/srt-figures.ts';

const GOOD = { rttMs: 1, lost: 0, dropped: 0, belated: 0, naks: 0 };

test('the worst players: dropped counts most, then belated, lost, loss reports, and the round trip', () => {
  const ordered = [
    { ...GOOD, dropped: 2 },
    { ...GOOD, dropped: 1, lost: 9 },
    { ...GOOD, belated: 1 },
    { ...GOOD, lost: 5 },
    { ...GOOD, lost: 4, naks: 7 },
    { ...GOOD, lost: 4, naks: 6 },
    { ...GOOD, rttMs: 80 },
    GOOD,
    { ...GOOD, rttMs: null },
  ];
  assert.deepEqual(worstPlayers(ordered.toReversed()), ordered);
  const many = Array.from({ length: 30 }, (_, lost) => ({ ...GOOD, lost }));
  assert.deepEqual(
    worstPlayers(many).map(({ lost }) => lost),
    [29, 28, 27, 26, 25, 24, 23, 22, 21, 20],
  );
});

test('of several workers the worst of all are kept', () => {
  const of = (...lost: number[]) => ({
    ...new SrtMeter().snapshot(),
    worst: lost.map((count) => ({ ...GOOD, lost: count })),
  });
  const { worst } = addSrtSnapshots([of(9, 3, 1), undefined, of(8, 7)])!;
  assert.deepEqual(
    worst.map(({ lost }) => lost),
    [9, 8, 7, 3, 1],
  );
});
