import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wallClock } from '../../../drivers/measure/clock.ts';
import { writeMediaPlaylist } from '../../../protocols/hls/write.ts';
import type { CheckContext } from '../../../scenarios/check.ts';
import { HlsWatch } from '../../../scenarios/conformance/hls-watch.ts';
import { History, type StepData } from '../../../scenarios/history.ts';

/** Seconds of the segments that a playlist lists, the first of them with this number. */
type Listed = readonly [first: number, durations: readonly number[]];

/** Playlists are as old as the request for them, which was sent so long ago. */
const UNDER_WAY_MS = 1000;

/** A watch that was told these playlists, one after the other, and what it asked for late. */
async function late(...playlists: readonly Listed[]): Promise<StepData[]> {
  const steps: StepData[] = [];
  const texts = playlists.map(([first, durations]) =>
    writeMediaPlaylist({
      targetDuration: 3,
      mediaSequence: first,
      segments: durations.map((duration, i) => ({
        uri: `s-${first + i}.ts`,
        duration,
        discontinuity: false,
      })),
    }),
  );
  let told = 0;
  let tell = (): void => {};
  const all = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const answer = (url: string) => {
    if (!url.endsWith('.m3u8')) return new Uint8Array();
    const text = texts[Math.min(told++, texts.length - 1)]!;
    if (told > texts.length) tell();
    return new TextEncoder().encode(text);
  };
  const context = {
    history: new History(),
    signal: new AbortController().signal,
    http: async (url: string) => ({
      ...{ status: 200, error: null, bytes: 0, sentAt: wallClock.now() - UNDER_WAY_MS },
      body: answer(url),
    }),
    step(name: string, data: StepData) {
      if (name === 'late') steps.push(data);
      return 0;
    },
  };
  const url = 'http://127.0.0.1/live/s.m3u8';
  const watch = new HlsWatch(context as unknown as CheckContext, { label: 'web', url });
  watch.start();
  await all;
  await watch.stop();
  return steps;
}

test('what left is to be there for its duration and that of the longest playlist with it', async () => {
  const steps = await late([0, [3, 1]], [1, [1, 1]], [3, [1]]);
  const kept = Object.fromEntries(steps.map(({ sequence, keptMs }) => [String(sequence), keptMs]));
  assert.deepEqual(kept, { 0: 7000, 1: 5000, 2: 3000 });
});

test('its time runs from when it was listed for certain, not from when it was missed', async () => {
  for (const { afterMs } of await late([0, [1, 1]], [1, [1, 1]])) {
    assert.ok(Number(afterMs) >= UNDER_WAY_MS, `${afterMs}`);
  }
});
