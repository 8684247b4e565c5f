import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { freeUdpPort } from '../../support/ports.ts';
import { eventually } from '../support/observe.ts';
import {
  FfmpegListener,
  lossyTap,
  MeteredPlayer,
  Program,
  publishTo,
  QUIET,
  udpBound,
  unlessHeldUp,
} from './support.ts';

const MEDIA = join(import.meta.dirname, '../../../fixtures/media/av-480k.flv');
/** Milliseconds to us, microseconds to ffmpeg. */
const LATENCY = { ours: 'latency=400', ffmpeg: 'latency=400000' };
/** Half of what two loss reports leave of the latency with 25 ms: it may be held up more than once. */
const SPARE_MS = 100;

async function ffmpegSends(parameters: string): Promise<{ ffmpeg: Program; port: number }> {
  const port = await freeUdpPort();
  const ffmpeg = new Program('ffmpeg', [
    ...[...QUIET, '-re', '-i', MEDIA, '-c', 'copy', '-f', 'mpegts'],
    `srt://127.0.0.1:${port}?mode=listener&${parameters}`,
  ]);
  await udpBound(port);
  return { ffmpeg, port };
}

describe('ffmpeg as a listener', { concurrency: true }, () => {
  for (const [how, secret] of [
    ['in the clear', ''],
    ['encrypted', 'passphrase=correcthorse&pbkeylen=32'],
  ] as const) {
    test(`a player takes what it sends, ${how}`, async (t) => {
      const { ffmpeg, port } = await ffmpegSends(secret);
      t.after(() => ffmpeg.stop());
      const { player, meter } = new MeteredPlayer(`srt://127.0.0.1:${port}?${secret}`);
      t.after(() => player.close());
      await eventually(8000, '40 frames', () => meter.received >= 40);
      assert.equal(meter.joined, true);
      assert.equal(meter.corrupt, 0);
      assert.equal(player.srt?.packetsLost, 0);
    });

    test(`it takes what a publisher sends, every frame of it, ${how}`, async (t) => {
      const ffmpeg = await FfmpegListener.start(t, secret);
      const publication = await publishTo(t, `srt://127.0.0.1:${ffmpeg.port}?${secret}`);
      await eventually(8000, '50 frames', () => ffmpeg.listed >= 50);
      publication.stop();
      await ffmpeg.endsWith(50);
    });
  }

  test('what it sends is whole under 5 % loss and 25 ms of jitter', async (t) => {
    await unlessHeldUp(t, SPARE_MS, async (scope, flows) => {
      const { ffmpeg, port } = await ffmpegSends(LATENCY.ffmpeg);
      scope.after(() => ffmpeg.stop());
      const tap = await lossyTap(scope, port, 25, 12);
      flows();
      const { player, meter } = new MeteredPlayer(`srt://127.0.0.1:${tap.address.port}?${LATENCY.ours}`);
      scope.after(() => player.close());
      await eventually(8000, '75 frames', () => meter.received >= 75);
      const { packetsLost, packetsDropped, packetsBelated } = player.srt!;
      assert.deepEqual(
        { corrupt: meter.corrupt, packetsDropped, packetsBelated },
        { corrupt: 0, packetsDropped: 0, packetsBelated: 0 },
      );
      assert.ok(packetsLost > 0 && tap.counts('downstream').lost > 5);
    });
  });

  test('what a publisher sends is whole there under 5 % loss and 25 ms of jitter', async (t) => {
    await unlessHeldUp(t, SPARE_MS, async (scope, flows) => {
      const ffmpeg = await FfmpegListener.start(scope, LATENCY.ffmpeg);
      const tap = await lossyTap(scope, ffmpeg.port, 25, 10);
      flows();
      const publication = await publishTo(scope, `srt://127.0.0.1:${tap.address.port}?${LATENCY.ours}`);
      await eventually(8000, '75 frames', () => ffmpeg.listed >= 75);
      publication.stop();
      await ffmpeg.endsWith(75);
      assert.ok(publication.publisher.srt!.retransmitsSent > 0);
      assert.ok(tap.counts('upstream').lost > 5);
    });
  });
});
