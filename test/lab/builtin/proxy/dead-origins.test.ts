import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, publishForever, RtmpPeer, stopAll } from '../support.ts';
import { registrationOf, startOrigins, startProxy } from './support.ts';

after(stopAll);

const ALIVE_MS = 400;

test('whoever is served by an origin that is not heard of any more is sent away; a mutant keeps them', async (t) => {
  for (const mutants of [[], ['proxy-keeps-frozen-origins']] as const) {
    const proxy = await startProxy(t, { timeouts: { alive: ALIVE_MS }, mutants });
    await startOrigins(t, [proxy], 1);
    const publisher = await publishForever(proxy.node, 'a');
    const player = await RtmpPeer.player(proxy.node, 'a');
    const ended = fetch(`${proxy.http}/live/a.flv`)
      .then((answer) => answer.arrayBuffer())
      .then(
        () => true,
        () => true,
      );
    if (mutants.length === 0) {
      await publisher.until('its end', () => publisher.closed);
      await player.until('its end', () => player.closed);
      assert.ok(await ended);
    } else {
      await delay(4 * ALIVE_MS);
      assert.deepEqual([publisher.closed, player.closed], [false, false]);
    }
  }
});

test('nobody is sent away as long as it is heard of, nor when it was missed once', async (t) => {
  const proxy = await startProxy(t, { timeouts: { alive: ALIVE_MS } });
  const [origin] = await startOrigins(t, [proxy], 1);
  const publisher = await publishForever(proxy.node, 'a');
  for (let beat = 0; beat < 6; beat++) {
    await delay(ALIVE_MS * (beat === 3 ? 1.1 : 0.5));
    await proxy.register(registrationOf(origin!, 'origin-1'));
  }
  assert.ok(!publisher.closed);
  await eventually('its end', async () => publisher.closed || undefined);
});
