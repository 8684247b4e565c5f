/** Our clients against programs that are not ours: nginx-rtmp and ffmpeg. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CloseReason, type Player } from '../../drivers/client.ts';
import { createPlayer, createPublisher } from '../../drivers/create.ts';
import { FrameMeter, MeterHistograms } from '../../drivers/measure/meter.ts';
import { type Publication, Publishing } from '../../drivers/measure/publishing.ts';
import { MediaRecorder, type RecordedItem } from '../../drivers/measure/recorder.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import { runLoad } from '../../drivers/swarm/load.ts';
import { type Nginx, startNginx } from './support/nginx.ts';
import { CountingSink, eventually, Witness, within } from './support/observe.ts';

const MEDIA = 'fixtures/media/av-480k.flv';
const source = MediaSource.load(MEDIA);
const FRAME_MS = 40;
let nginx: Nginx;

before(async () => {
  nginx = await startNginx();
});
after(() => nginx.stop());

const rtmp = (stream: string): string => `rtmp://127.0.0.1:${nginx.rtmpPort}/live/${stream}`;

/** Publishes until the test ends; resolves at Publish.Start. */
async function publish(
  t: { after(fn: () => void): void },
  url: string,
  handshake: 'simple' | 'digest' = 'simple',
): Promise<Publication> {
  const started = new Promise<Publication>((resolve, reject) => {
    const publishing = new Publishing(source, {
      onStart: resolve,
      onEnd: (publication) => reject(new Error(JSON.stringify(publication.client.closed))),
    });
    t.after(() => publishing.stop());
    publishing.add(url, { handshake });
  });
  return within(3000, 'Publish.Start', started);
}

/** A player who reads until the server, or what is media, is at its end. */
async function readAll(url: string): Promise<Player> {
  const witness = new Witness();
  const player = createPlayer(url, new CountingSink(), {}, witness);
  player.open();
  await witness.closed();
  return player;
}

class MeteredFrames {
  readonly histograms = new MeterHistograms();
  #wanted = Number.POSITIVE_INFINITY;
  #enough = (): void => {};
  readonly meter = new FrameMeter(this.histograms, {
    onFrame: (meter) => {
      if (meter.received >= this.#wanted) this.#enough();
    },
  });

  async frames(count: number, ms = 6000): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#wanted = count;
      this.#enough = resolve;
    });
    if (this.meter.received < count)
      await within(ms, `${count} frames, ${this.meter.received} came`, reached);
  }
}

describe('nginx-rtmp and ffmpeg', { concurrency: true }, () => {
  for (const handshake of ['simple', 'digest'] as const) {
    test(`ours publishes, ours plays (${handshake} handshake): every frame once, in order, intact`, async (t) => {
      const stream = `ours-${handshake}`;
      const publication = await publish(t, rtmp(stream), handshake);
      const metered = new MeteredFrames();
      const player = createPlayer(rtmp(stream), metered.meter, { handshake });
      t.after(() => player.close());
      metered.meter.attach(player.timing);
      player.open();
      await metered.frames(60);
      const { continuity, received, unstamped, corrupt } = metered.meter;
      assert.equal(continuity.stream, publication.stream);
      assert.deepEqual(
        [
          unstamped,
          corrupt,
          continuity.missing,
          continuity.duplicated,
          continuity.reordered,
          continuity.restarts,
        ],
        [0, 0, 0, 0, 0, 0],
      );
      assert.equal(metered.histograms.join.count + metered.histograms.steady.count, received);
      assert.ok(metered.histograms.lowest >= 0 && metered.histograms.steady.percentile(50)! < 500);
      assert.ok(player.timing.firstFrameShown > player.timing.firstKeyframe);
    });
  }

  test('what ours publishes arrives byte for byte', async (t) => {
    const got: RecordedItem[] = [];
    let enough = (): void => {};
    const reached = new Promise<void>((resolve) => {
      enough = resolve;
    });
    const sent: RecordedItem[] = [];
    const sender = new MediaRecorder((item) => sent.push(item));
    const publishing = new Publishing(source, {
      onSent: (_publication, type, timestamp, body, now) => {
        sender.begin(type, timestamp, body.length);
        sender.data(type, body, 0, body.length);
        sender.end(type, now);
      },
    });
    t.after(() => publishing.stop());
    const recorder = new MediaRecorder((item) => {
      got.push(item);
      if (got.length > 150) enough();
    });
    const player = createPlayer(rtmp('bytes'), recorder);
    t.after(() => player.close());
    player.open();
    publishing.add(rtmp('bytes'));
    await within(6000, '150 items', reached);
    // nginx-rtmp opens its audio chunk stream with an empty message of its own.
    const media = (items: RecordedItem[]): string[] =>
      items
        .filter((item) => (item.kind === 'audio' || item.kind === 'video') && item.size > 0)
        .map((item) => JSON.stringify(item));
    const sentMedia = new Set(media(sent));
    assert.deepEqual(
      media(got).filter((item) => !sentMedia.has(item)),
      [],
    );
    for (const kind of ['metadata', 'video-config', 'audio-config']) {
      assert.ok(
        got.some((item) => item.kind === kind),
        kind,
      );
    }
  });

  test('ffmpeg plays what ours publishes', async (t) => {
    await publish(t, rtmp('to-ffmpeg'));
    const output = join(nginx.root, 'played.flv');
    const args = ['-v', 'error', '-i', rtmp('to-ffmpeg'), '-t', '1', '-c', 'copy', '-y', output];
    const ffmpeg = spawn('ffmpeg', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    t.after(() => ffmpeg.kill('SIGKILL'));
    let errors = '';
    ffmpeg.stderr.on('data', (bytes) => {
      errors += String(bytes);
    });
    const [code] = await within(15_000, 'ffmpeg to end', once(ffmpeg, 'exit'));
    assert.deepEqual([code, errors], [0, '']);
    const played = MediaSource.load(output);
    assert.ok(played.frames >= 20 && (await stat(output)).size > 30_000, `${played.frames} frames`);
  });

  test('ours plays what ffmpeg publishes: unstamped, and counted as that', async (t) => {
    const args = [
      '-v',
      'error',
      '-re',
      '-stream_loop',
      '-1',
      '-i',
      MEDIA,
      '-c',
      'copy',
      '-f',
      'flv',
      rtmp('from-ffmpeg'),
    ];
    const ffmpeg = spawn('ffmpeg', args, { stdio: 'ignore' });
    t.after(() => ffmpeg.kill('SIGKILL'));
    const metered = new MeteredFrames();
    const player = createPlayer(rtmp('from-ffmpeg'), metered.meter);
    t.after(() => player.close());
    player.open();
    await metered.frames(40, 10_000);
    assert.equal(metered.meter.unstamped, metered.meter.received);
    assert.equal(metered.histograms.steady.count + metered.histograms.join.count, 0);
    assert.equal(metered.meter.joined, true);
  });

  test('a publisher that comes back is a restart, not a loss', async (t) => {
    const metered = new MeteredFrames();
    const player = createPlayer(rtmp('restart'), metered.meter);
    t.after(() => player.close());
    player.open();
    const first = await publish(t, rtmp('restart'));
    await metered.frames(10);
    first.stop();
    await publish(t, rtmp('restart'));
    await metered.frames(metered.meter.received + 20);
    const { continuity } = metered.meter;
    assert.deepEqual([continuity.restarts, continuity.missing, continuity.duplicated], [1, 0, 0]);
  });

  test('a second publisher of a stream is refused, and the first one goes on', async (t) => {
    const publication = await publish(t, rtmp('twice'));
    const witness = new Witness();
    const second = createPublisher(rtmp('twice'), {}, witness);
    second.open();
    const closed = await witness.closed();
    assert.deepEqual([closed.reason, closed.code], [CloseReason.rejected, 'NetStream.Publish.BadName']);
    assert.equal(publication.client.state, 'streaming');
  });

  test('a paused publication sends nothing, and goes on without a gap in its timestamps', async (t) => {
    const [publication, beside] = await Promise.all([publish(t, rtmp('paused')), publish(t, rtmp('beside'))]);
    publication.pause();
    const pausedAt = performance.now() - publication.origin;
    const [frames, timestamp] = [publication.frames, publication.cursor.timestamp];
    const meanwhile = beside.frames + 8;
    await eventually(2000, '8 frames of a publication beside it', () => beside.frames >= meanwhile);
    assert.equal(publication.frames, frames);
    const resumedAt = performance.now();
    publication.resume();
    await eventually(2000, 'a frame after the pause', () => publication.frames > frames);
    const due = pausedAt + performance.now() - resumedAt;
    const next = publication.cursor.timestamp;
    assert.ok(next <= due + FRAME_MS, `${next} ms is next, ${due} ms is due`);
    assert.ok(next - timestamp <= (publication.frames - frames + 1) * FRAME_MS);
  });

  test('pings are answered and windows acknowledged: a player outlives them', async (t) => {
    await publish(t, rtmp('ping'));
    const witness = new Witness();
    const sink = new CountingSink();
    const player = createPlayer(rtmp('ping'), sink, {}, witness);
    t.after(() => player.close());
    player.open();
    // The configuration pings every second and asks for an acknowledgement every 100 000 bytes.
    await sink.videoFrames(75, 8000);
    assert.deepEqual(witness.ends, []);
    assert.ok(sink.bytes > 100_000);
  });

  test('HTTP-FLV of known length, and through a 302', async () => {
    await copyFile(MEDIA, join(nginx.root, 'media.flv'));
    for (const path of ['media.flv', 'moved/x.flv']) {
      const witness = new Witness();
      const sink = new CountingSink();
      createPlayer(`http://127.0.0.1:${nginx.httpPort}/${path}`, sink, {}, witness).open();
      const closed = await witness.closed();
      assert.deepEqual([closed.reason, closed.code], [CloseReason.remote, 'eof.streaming']);
      assert.equal(sink.counts[9], source.frames + 1);
    }
  });

  test('a paused player does not read, and reads on when resumed', async () => {
    const body = Buffer.alloc(8 * 1024 * 1024);
    await writeFile(join(nginx.root, 'long.flv'), Buffer.concat([await readFile(MEDIA), body]));
    const witness = new Witness();
    const url = `http://127.0.0.1:${nginx.httpPort}/long.flv`;
    const player = createPlayer(
      url,
      new CountingSink(),
      {},
      {
        onState: (client, state) => {
          witness.onState(client, state);
          if (state === 'streaming') {
            player.pause();
          }
        },
        onClosed: (client, closed) => witness.onClosed(client, closed),
      },
    );
    player.open();
    await witness.reached('streaming');
    // Others come later and read all that is media.
    const { bytesIn: whole } = await readAll(url);
    const paused = player.bytesIn;
    assert.ok(paused < whole, `${paused} bytes, and ${whole} by one that reads`);
    await readAll(url);
    assert.equal(player.bytesIn, paused);
    player.resume();
    // The zeros after the media are no tags.
    assert.equal((await witness.closed()).code, 'flv.tag');
    assert.ok(player.bytesIn > paused);
  });

  test('a load on nginx-rtmp: everybody joins, nothing is lost, the figures add up', async (t) => {
    await Promise.all([publish(t, rtmp('load-1')), publish(t, rtmp('load-2'))]);
    const ticks: number[] = [];
    const figures = await runLoad({
      urls: [rtmp('load-1'), rtmp('load-2')],
      clients: 40,
      rampMs: 500,
      durationMs: 3500,
      workers: 2,
      onTick: (tick) => ticks.push(tick.joined),
    });
    assert.deepEqual(figures.clients, { requested: 40, joined: 40, failed: 0, dropped: 0 });
    const { received, unstamped, missing, duplicated, reordered, corrupt } = figures.frames;
    assert.deepEqual([unstamped, missing, duplicated, reordered, corrupt], [0, 0, 0, 0, 0]);
    assert.equal(figures.latency.join.count + figures.latency.steady.count, received);
    assert.equal(figures.startup.count, 40);
    assert.ok(received > 40 * 25 && figures.bytes > 40 * 60_000);
    assert.equal(ticks.length, figures.timeline.length);
    assert.ok(ticks.length >= 3);
  });
});
