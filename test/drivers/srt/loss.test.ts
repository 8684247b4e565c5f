import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClientState } from '../../../drivers/client.ts';
import { isControl } from '../../../protocols/srt/packet.ts';
import { eventually } from '../support/observe.ts';
import { lossyTap, MeteredPlayer, startRelay, TestPublication, tapOf, unlessHeldUp } from './support.ts';

/** Of the latency: a packet that needs two loss reports is there after up to 350 ms. */
const SPARE_MS = 40;

describe('under loss', { concurrency: true }, () => {
  test('5 % loss and 50 ms of jitter both ways: with 400 ms of latency no frame is lost or damaged', async (t) => {
    await unlessHeldUp(t, SPARE_MS, async (scope, flows) => {
      const { program, inPort, outPort } = await startRelay('latency=400');
      scope.after(() => program.stop());
      const taps = [await lossyTap(scope, inPort, 50, 12), await lossyTap(scope, outPort, 50, 10)];
      const [up, down] = taps.map(({ address }) => address.port);
      const { player, meter } = new MeteredPlayer(`srt://127.0.0.1:${down}?latency=400`);
      scope.after(() => player.close());
      await eventually(3000, 'the player is connected', () => player.state === ClientState.streaming);
      flows();
      const publication = new TestPublication(`srt://127.0.0.1:${up}?latency=400`);
      scope.after(() => publication.stop());
      await eventually(8000, '100 frames', () => meter.received >= 100);
      // The publication goes on until what was sent so far is there: of what is lost with nothing behind it no gap tells.
      const due = publication.frames;
      await eventually(3000, 'all frames', () => meter.continuity.last >= due - 1);
      publication.pause();
      const { packetsLost, packetsDropped, packetsBelated } = player.srt!;
      const { corrupt, unstamped, continuity } = meter;
      assert.deepEqual(
        { corrupt, unstamped, missing: continuity.missing, packetsDropped, packetsBelated },
        { corrupt: 0, unstamped: 0, missing: 0, packetsDropped: 0, packetsBelated: 0 },
      );
      assert.equal(meter.received, continuity.last + 1, 'from the first frame on');
      assert.ok(taps.every((tap) => tap.counts('upstream').lost + tap.counts('downstream').lost > 5));
      assert.ok(packetsLost > 0);
    });
  });

  test('without latency the reported loss is the injected one', async (t) => {
    const { program, inPort, outPort } = await startRelay('latency=0');
    t.after(() => program.stop());
    const tap = await tapOf(t, outPort);
    const { player, meter } = new MeteredPlayer(`srt://127.0.0.1:${tap.address.port}?latency=0`);
    t.after(() => player.close());
    await eventually(3000, 'the player is connected', () => player.state === ClientState.streaming);
    // Retransmissions are not spoiled: each loss is one number that was jumped over.
    tap.setFaults('downstream', {
      loss: 0.1,
      only: (packet) => !isControl(packet) && (packet[4]! & 4) === 0,
    });
    const publication = new TestPublication(`srt://127.0.0.1:${inPort}?latency=0`);
    t.after(() => publication.stop());
    await eventually(8000, '120 frames', () => meter.received + meter.continuity.missing >= 120);
    publication.pause();
    const injected = tap.counts('downstream').lost;
    const reported = player.srt!.packetsLost;
    assert.ok(injected > 10);
    assert.ok(Math.abs(reported - injected) <= Math.max(1, injected / 10), `${reported} of ${injected}`);
  });
});
