import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClientState } from '../../../drivers/client.ts';
import { eventually } from '../support/observe.ts';
import { MeteredPlayer, startRelay, TestPublication } from './support.ts';

describe('srt-live-transmit', { concurrency: true }, () => {
  for (const secret of [
    '',
    '&passphrase=correcthorse&pbkeylen=16',
    '&passphrase=correcthorse&pbkeylen=24',
    '&passphrase=correcthorse&pbkeylen=32',
  ]) {
    const how = secret === '' ? 'in the clear' : `with AES-${Number(secret.slice(-2)) * 8}`;
    test(`publish to libsrt and play from it, ${how}`, async (t) => {
      const { program, inPort, outPort } = await startRelay(`latency=120${secret}`);
      t.after(() => program.stop());
      const { player, meter } = new MeteredPlayer(`srt://127.0.0.1:${outPort}?latency=120${secret}`);
      t.after(() => player.close());
      await eventually(3000, 'the player is connected', () => player.state === ClientState.streaming);
      const publication = new TestPublication(`srt://127.0.0.1:${inPort}?latency=120${secret}`);
      t.after(() => publication.stop());
      await eventually(6000, '50 frames', () => meter.received >= 50);
      assert.equal(meter.corrupt + meter.unstamped, 0);
      assert.equal(meter.continuity.missing, 0);
      const { srt } = player;
      assert.ok(srt !== undefined && srt.packetsReceived > 50 && srt.packetsUndecryptable === 0);
      assert.deepEqual(player.latency, { receive: 120, send: 120 });
      for (const phase of ['tcp', 'handshake', 'connect', 'play', 'firstByte', 'firstKeyframe'] as const) {
        assert.ok(player.timing[phase] >= player.timing.started, phase);
      }
    });
  }

  test('libsrt refuses a wrong passphrase, and a caller without one', async (t) => {
    const { program, outPort } = await startRelay('passphrase=correcthorse&pbkeylen=16');
    t.after(() => program.stop());
    const refused = async (secret: string): Promise<string | undefined> => {
      const { player } = new MeteredPlayer(`srt://127.0.0.1:${outPort}?${secret}`);
      await eventually(5000, 'an answer', () => player.state === ClientState.closed);
      player.close();
      assert.equal(player.closed?.reason, 'rejected');
      return player.closed?.code;
    };
    assert.equal(await refused('passphrase=batterystaple'), 'srt.rejected.bad-secret');
    assert.equal(await refused(''), 'srt.rejected.unsecure');
  });
});
