import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPublisher } from '../../../drivers/create.ts';
import { Publishing } from '../../../drivers/measure/publishing.ts';
import { MediaSource } from '../../../drivers/measure/source.ts';
import { type PublishFigures, runPublish } from '../../../drivers/swarm/load.ts';
import { encodeTag, flvHeader } from '../../../protocols/flv/writer.ts';
import { judgePublish } from '../../../reports/judge-publish.ts';
import { Publish } from '../../../reports/results.ts';
import { paddedSource } from '../../../scenarios/filler.ts';
import { temporary } from '../../cli/surroundings.ts';
import { scripted } from '../support/observe.ts';

const PUBLISH = readFileSync('fixtures/captures/nginx-rtmp-1.2.2/ffmpeg-publish.s2c.bin');
/** 25 MB/s: what the system buffers is full within a second. */
const FAT_FRAME = 1_000_000;
const GOP_MS = 1000;

/** A file that fills every buffer on its way at once. */
function fatFile(t: TestContext): string {
  const source = paddedSource(MediaSource.load('fixtures/media/av-480k.flv'), FAT_FRAME, GOP_MS);
  const file = join(temporary(t), 'fat.flv');
  const tags = [...source.headers, ...source.items].map(({ type, timestamp, body }) =>
    encodeTag(type, timestamp, body),
  );
  writeFileSync(file, Buffer.concat([flvHeader({ audio: true, video: true }), ...tags]));
  return file;
}

/** Publishes at a server that accepts the stream and reads nothing, until `isEnough`, which is asked once a second. */
async function published(
  t: TestContext,
  isEnough: (untakenMs: number, socket: Socket) => boolean,
): Promise<PublishFigures> {
  let deaf: Socket | undefined;
  const server = await scripted((socket) => {
    socket.once('data', () => {
      socket.write(PUBLISH);
      socket.pause();
      deaf = socket;
    });
  });
  t.after(() => server.close());
  const enough = new AbortController();
  const figures = await runPublish({
    url: `rtmp://127.0.0.1:${server.port}/live/x`,
    streams: 1,
    file: fatFile(t),
    durationMs: 60_000,
    signal: enough.signal,
    onTick: ({ untakenMs }) => {
      if (deaf !== undefined && isEnough(untakenMs, deaf)) enough.abort();
    },
  });
  Publish.parse(figures);
  assert.ok(figures.seconds < 60, JSON.stringify(figures.untaken));
  assert.deepEqual(figures.clients, { requested: 1, joined: 1, failed: 0, dropped: 0 });
  return figures;
}

function taken(figures: PublishFigures): string | undefined {
  // Others on this machine may hold our own event loop up.
  const generator = { ...figures.generator, healthy: true };
  const findings = judgePublish({ ...figures, generator }, { interrupted: false });
  return findings.find(({ check }) => check === 'publish/taken')?.verdict;
}

test('a server that accepts a stream and reads nothing of it does not pass', async (t) => {
  const figures = await published(t, (untakenMs) => untakenMs > 5200);
  const { boundMs, worstMs, lastMs, lateMs, streams } = figures.untaken;
  assert.ok(worstMs > boundMs && lateMs >= worstMs && lastMs > boundMs, JSON.stringify(figures.untaken));
  assert.equal(streams, 1);
  assert.equal(taken(figures), 'fail');
});

test('one that reads again has taken what was due', async (t) => {
  let waited = 0;
  const figures = await published(t, (untakenMs, socket) => {
    if (untakenMs > 0) socket.resume();
    waited = Math.max(waited, untakenMs);
    return waited > 0 && untakenMs === 0;
  });
  const { worstMs, lastMs } = figures.untaken;
  assert.ok(worstMs >= waited && lastMs < worstMs, JSON.stringify(figures.untaken));
});

test('what our own event loop was late, before and meanwhile, is not for how long the server took nothing', () => {
  const publishing = new Publishing(MediaSource.load('fixtures/media/av-480k.flv'));
  const publication = publishing.add('rtmp://127.0.0.1/live/x', {}, undefined, (url, options, observer) => {
    const client = createPublisher(url, options, observer);
    client.open = () => {};
    return client;
  });
  publication.onFull(10_000, 3000);
  assert.equal(publication.untakenMs, 0, 'was late before anything was full');
  publication.onFull(10_020, 3020);
  publication.onFull(10_140, 3140);
  assert.equal(publication.untakenMs, 140);
  publication.onFull(16_140, 9140);
  assert.equal(publication.untakenMs, 260, 'nobody looked for 6 s');
  assert.equal(publishing.untakenMs, 260);
  publication.onSchedule();
  assert.deepEqual([publication.untakenMs, publication.worstUntakenMs], [0, 260]);
  publication.onFull(20_000, 5);
  publication.onFull(20_100, 105);
  assert.deepEqual([publication.untakenMs, publication.worstUntakenMs], [100, 260]);
});
