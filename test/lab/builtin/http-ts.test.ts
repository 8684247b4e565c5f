import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { createPlayer } from '../../../drivers/create.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { Publishing } from '../../../drivers/measure/publishing.ts';
import { MediaSource } from '../../../drivers/measure/source.ts';
import { eventually, within } from '../../drivers/support/observe.ts';
import { AUDIO_HEADER, FlvPeer, ROOT, RtmpPeer, startNode, stopAll, type TestNode } from './support.ts';

const source = MediaSource.load('fixtures/media/av-480k.flv');
after(stopAll);

async function publish(t: { after(fn: () => void): void }, node: TestNode, stream: string): Promise<void> {
  const started = new Promise<void>((resolve, reject) => {
    const publishing = new Publishing(source, {
      onStart: () => resolve(),
      onEnd: (publication) => reject(new Error(JSON.stringify(publication.client.closed))),
    });
    t.after(() => publishing.stop());
    publishing.add(node.rtmp(stream));
  });
  await within(5000, 'Publish.Start', started);
}

/** Frames that are as they were published. */
const good = ({ received, unstamped, corrupt }: FrameMeter): number => received - unstamped - corrupt;

/** Stops with the test. */
function play(t: { after(fn: () => void): void }, url: string): FrameMeter {
  const meter = new FrameMeter(new MeterHistograms());
  const player = createPlayer(url, meter);
  t.after(() => player.close());
  player.open();
  return meter;
}

test('HTTP-TS: every frame intact, whoever comes when, and ffmpeg reads it', async (t) => {
  const node = await startNode();
  const url = `${node.http}/live/ts.ts`;
  const early = play(t, url);
  await publish(t, node, 'ts');
  await eventually(5000, 'frames for who waited', () => good(early) >= 25);
  const late = play(t, `${url}?token=1`);
  const other = play(t, `${node.http}/live/ts.flv`);
  await eventually(5000, 'frames for who came later', () => good(late) >= 50 && good(other) >= 50);
  for (const meter of [early, late, other]) {
    const { missing, duplicated, reordered } = meter.continuity;
    assert.deepEqual([missing, duplicated, reordered, meter.corrupt, meter.unstamped], [0, 0, 0, 0, 0]);
  }
  const { stdout } = await promisify(execFile)('ffprobe', [
    ...['-v', 'error', '-read_intervals', '%+1', '-show_entries', 'format=format_name:stream=codec_name'],
    ...['-of', 'csv=p=0', url],
  ]);
  assert.deepEqual([...new Set(stdout.split('\n'))].sort(), ['', 'aac', 'h264', 'mpegts']);
});

test('a stream that nobody publishes is waited for, one that could be a segment is not', async (t) => {
  const node = await startNode();
  const head = await fetch(`${node.http}/live/none-3.ts`);
  assert.equal(head.status, 404);
  const silent = fetch(`${node.http}/live/none.ts`, { signal: AbortSignal.timeout(500) });
  await assert.rejects(silent, { name: 'TimeoutError' });
  await publish(t, node, 'cam-1');
  const meter = play(t, `${node.http}/live/cam-1.ts`);
  await eventually(5000, 'frames of cam-1', () => good(meter) >= 25);
});

/** A PAT with which a payload begins. */
const PAT = Buffer.from([0x47, 0x40, 0x00]);

/** Gets what comes from now on. */
async function joined(node: TestNode): Promise<FlvPeer> {
  const peer = new FlvPeer(node, '/live/ts.ts');
  await eventually(5000, 'the head of the answer', () => peer.bytes.length > 0);
  return peer;
}

test('sound alone is played with tables after a publication that had video', async () => {
  const node = await startNode();
  // The sequence header of ffmpeg's testsrc2 at 320x180.
  const recorded = readFileSync(`${ROOT}fixtures/captures/srs-7.0.18/ffmpeg-publish.c2s.bin`);
  const at = recorded.indexOf(Buffer.from('170000000001', 'hex'));
  const first = await RtmpPeer.publisher(node, 'ts');
  first.send(6, 9, 1, 0, recorded.subarray(at, at + 64));
  first.send(4, 8, 1, 0, AUDIO_HEADER);
  first.audio(0);
  const before = await joined(node);
  const head = before.bytes.length;
  first.audio(23);
  await eventually(5000, 'a packet of sound', () => before.bytes.length > head);
  assert.equal(before.bytes.indexOf(PAT), -1, 'tables come with a keyframe, and there was none');
  first.close();
  await eventually(5000, 'the end of the publication', () => before.closed);
  const second = await RtmpPeer.publisher(node, 'ts');
  second.send(4, 8, 1, 0, AUDIO_HEADER);
  second.audio(0);
  const after = await joined(node);
  second.audio(23);
  await eventually(5000, 'tables', () => after.bytes.indexOf(PAT) !== -1);
});

test('mutant http-ts-no-tables: nothing can be made of it', async (t) => {
  const node = await startNode({ mutants: ['http-ts-no-tables'] });
  await publish(t, node, 'ts');
  const [ts, flv] = [play(t, `${node.http}/live/ts.ts`), play(t, node.flv('ts'))];
  await eventually(5000, 'frames over FLV', () => good(flv) >= 25);
  assert.equal(ts.received, 0);
});
