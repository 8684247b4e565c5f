import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ClientState } from '../../../drivers/client.ts';
import { eventually } from '../support/observe.ts';
import { freeUdpPort, MeteredPlayer, Program, TestPublication, udpBound } from './support.ts';

const MEDIA = join(import.meta.dirname, '../../../fixtures/media/av-480k.flv');
const QUIET = ['-hide_banner', '-loglevel', 'info', '-nostats'];

test('a player takes what ffmpeg sends as a listener, encrypted', async (t) => {
  const port = await freeUdpPort();
  const ffmpeg = new Program('ffmpeg', [
    ...[...QUIET, '-re', '-i', MEDIA, '-c', 'copy', '-f', 'mpegts'],
    `srt://127.0.0.1:${port}?mode=listener&passphrase=correcthorse&pbkeylen=32`,
  ]);
  t.after(() => ffmpeg.stop());
  await udpBound(port);
  const { player, meter } = new MeteredPlayer(`srt://127.0.0.1:${port}?passphrase=correcthorse`);
  t.after(() => player.close());
  await eventually(8000, '50 frames', () => meter.received >= 50);
  assert.equal(meter.joined, true);
  assert.equal(meter.corrupt, 0);
  assert.equal(player.srt?.packetsLost, 0);
  await ffmpeg.stop();
});

test('ffmpeg as a listener takes what a publisher sends, every frame of it', async (t) => {
  const port = await freeUdpPort();
  const ffmpeg = new Program('ffmpeg', [
    ...[...QUIET, '-i', `srt://127.0.0.1:${port}?mode=listener`],
    ...['-map', '0', '-c', 'copy', '-f', 'framecrc', '-'],
  ]);
  t.after(() => ffmpeg.stop());
  await udpBound(port);
  const publication = new TestPublication(`srt://127.0.0.1:${port}`);
  t.after(() => publication.stop());
  await eventually(
    6000,
    'the publisher is connected',
    () => publication.publisher.state === ClientState.streaming,
  );
  await eventually(8000, '60 frames', () => publication.frames >= 60);
  publication.stop();
  publication.publisher.close();
  await eventually(5000, 'ffmpeg ends', () => ffmpeg.child.exitCode !== null);
  const lines = ffmpeg.output.split('\n').filter((line) => /^\d+,\s/.test(line));
  const video = lines.filter((line) => line.startsWith('0,'));
  assert.match(ffmpeg.output, /Video: h264/);
  assert.match(ffmpeg.output, /Audio: aac/);
  // The last ones were on their way when the publisher left.
  assert.ok(video.length >= publication.frames - 10, `${video.length} of ${publication.frames}`);
  assert.doesNotMatch(ffmpeg.output, /corrupt|error while decoding/i);
});
