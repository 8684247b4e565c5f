import assert from 'node:assert/strict';
import { test } from 'node:test';
import { throughNginx } from '../../../scenarios/conformance/flv-through-nginx.ts';
import { History } from '../../../scenarios/history.ts';
import { frames } from './histories.ts';

/** A history in which every frame after the join comes so much later than it was sent. */
function delayed(ms: number, end: 'played' | 'not observed' | 'early' = 'played', count = 50): string[] {
  const history = new History();
  history.append({ t: 1000, type: 'step', step: 'playing', data: { publisher: 'p' } });
  for (const [at, item] of frames(count).entries()) {
    const t = 1001 + at * 20;
    history.append({ t, type: 'publisher.sent', client: 'p', stream: 's', ...item });
    history.append({ t: t + ms, type: 'player.got', client: 'through-nginx', stream: 's', ...item });
  }
  if (end === 'played') history.append({ t: 9000, type: 'step', step: 'played', data: {} });
  if (end === 'not observed') {
    const what = 'through-nginx: 100 frames';
    history.append({ t: 9000, type: 'not-observed', what, withinMs: 1 });
  }
  return throughNginx.judge(history).map(({ verdict }) => verdict);
}

test('frames through Nginx are to come within two hops', () => {
  assert.deepEqual(delayed(300), ['pass']);
  assert.deepEqual(delayed(1500), ['fail']);
});

test('a frame of a hundred is not the stream', () => {
  assert.deepEqual(delayed(300, 'played', 49), ['inconclusive']);
  assert.deepEqual(delayed(300, 'played', 0), ['inconclusive']);
});

test('frames that were seen to be late fail, however the check ended', () =>
  assert.deepEqual(delayed(1500, 'early', 10), ['fail']));

test('frames that never come are a fail where they were waited for', () => {
  assert.deepEqual(delayed(300, 'not observed'), ['fail']);
  assert.deepEqual(delayed(300, 'early'), ['inconclusive']);
  assert.deepEqual(
    throughNginx.judge(new History()).map(({ verdict }) => verdict),
    ['inconclusive'],
  );
});
