/** The SRT port of a builtin origin against programs of libsrt, which share no code with it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TsReader } from '../../../protocols/mpegts/reader.ts';
import { playId, publishId, type SrtNode, startSrtNode } from './srt-support.ts';
import { clientsOf, eventually, ROOT, run, stopAll } from './support.ts';

const FIXTURE = `${ROOT}fixtures/media/av-480k.flv`;
const PASSPHRASE = 'a-passphrase-of-ours';
const SECRET = `&passphrase=${PASSPHRASE}&pbkeylen=32`;
let open: SrtNode;
let locked: SrtNode;
let directory: string;
const programs: ChildProcess[] = [];

const url = (node: SrtNode, streamId: string, more = ''): string =>
  `srt://127.0.0.1:${node.srtPort}?streamid=${streamId}${more}`;

const INPUT = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', FIXTURE];

function publish(to: string): void {
  programs.push(spawn('ffmpeg', [...INPUT, '-c', 'copy', '-f', 'mpegts', to], { stdio: 'ignore' }));
}

/** The same transport stream, but sent by `srt-live-transmit`. */
function transmit(to: string): void {
  const media = spawn('ffmpeg', [...INPUT, '-c', 'copy', '-f', 'mpegts', '-flush_packets', '1', '-'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const sender = spawn('srt-live-transmit', ['-chunk:1316', 'file://con', to], {
    stdio: [media.stdout, 'ignore', 'ignore'],
  });
  programs.push(media, sender);
}

/** Two seconds of it as ffmpeg sees them: 25 frames/s, none missing. */
async function playsWhole(from: string): Promise<void> {
  const { code, stdout, stderr } = await run('ffprobe', [
    ...['-v', 'error', '-analyzeduration', '1000000', '-select_streams', 'v', '-read_intervals', '%+2'],
    ...['-show_entries', 'packet=dts_time', '-of', 'csv=p=0', from],
  ]);
  assert.equal(code, 0, stderr);
  const times = stdout
    .split('\n')
    .map((line) => Number.parseFloat(line))
    .filter((time) => !Number.isNaN(time));
  assert.ok(times.length >= 20, `${from}: ${times.length} frames`);
  for (let i = 1; i < times.length; i++) {
    const step = times[i]! - times[i - 1]!;
    assert.ok(step > 0.03 && step < 0.05, `${from}: ${step} s between two frames`);
  }
}

const isPublished = (node: SrtNode, stream: string): Promise<boolean> =>
  eventually(
    `${stream} at the node`,
    async () => {
      const { streams } = await node.api('/api/v1/streams/');
      const found = (streams as { name: string; video: unknown }[]).find(({ name }) => name === stream);
      return found !== undefined && found.video !== null;
    },
    15_000,
  );

before(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-srt-'));
  const hls = { directory: path.join(directory) };
  [open, locked] = await Promise.all([
    startSrtNode({}, { hls, settings: { hls: { fragmentSeconds: 1, windowSeconds: 6, sessions: false } } }),
    startSrtNode({ passphrase: PASSPHRASE, pbkeylen: 32 }),
  ]);
  publish(url(open, publishId('a')));
  publish(url(locked, publishId('b'), SECRET));
  transmit(url(open, publishId('c')));
  transmit(url(locked, publishId('d'), SECRET));
  await Promise.all([
    ...['a', 'c'].map((stream) => isPublished(open, stream)),
    ...['b', 'd'].map((stream) => isPublished(locked, stream)),
  ]);
});

after(async () => {
  for (const child of programs) child.kill('SIGKILL');
  await stopAll();
  rmSync(directory, { recursive: true, force: true });
});

describe('programs', { concurrency: true }, () => {
  test('what ffmpeg publishes over SRT, ffmpeg plays over RTMP, HTTP-FLV, HLS and SRT without a gap', async () => {
    await eventually('a segment', async () => (await fetch(`${open.http}/live/a.m3u8`)).ok, 15_000);
    const urls = [open.rtmp('a'), open.flv('a'), `${open.http}/live/a.m3u8`, url(open, playId('a'))];
    await Promise.all(urls.map(playsWhole));
  });

  test('what srt-live-transmit publishes, ffmpeg plays over RTMP and SRT without a gap', async () => {
    await Promise.all([open.rtmp('c'), url(open, playId('c'))].map(playsWhole));
  });

  test('encrypted: what ffmpeg and srt-live-transmit publish, ffmpeg plays over RTMP and SRT without a gap', async () => {
    const urls = ['b', 'd'].flatMap((stream) => [
      locked.rtmp(stream),
      url(locked, playId(stream), `&passphrase=${PASSPHRASE}`),
    ]);
    await Promise.all(urls.map(playsWhole));
  });

  test('srt-live-transmit gets a whole transport stream, in the clear and encrypted', async () => {
    const files = [
      [open, 'a', ''],
      [locked, 'b', `&passphrase=${PASSPHRASE}`],
    ] as const;
    await Promise.all(
      files.map(async ([node, stream, more]) => {
        const file = path.join(directory, `${stream}.ts`);
        const out = openSync(file, 'w');
        const player = spawn('srt-live-transmit', [url(node, playId(stream), more), 'file://con'], {
          stdio: ['ignore', out, 'ignore'],
        });
        closeSync(out);
        programs.push(player);
        await eventually(`${stream}.ts`, () => statSync(file).size > 100_000, 15_000);
        player.kill('SIGKILL');
        const bytes = readFileSync(file);
        const reader = new TsReader({ onPesBegin() {}, onPesPayload() {}, onPesEnd() {} });
        reader.push(bytes.subarray(0, bytes.length - (bytes.length % 188)));
        assert.deepEqual([reader.continuityErrors, reader.discarded, reader.stray > 20], [0, 0, false]);
      }),
    );
  });

  test('a wrong passphrase is refused, and so is none', async () => {
    const answers = await Promise.all(
      ['&passphrase=another-passphrase', ''].map((more) =>
        run('ffprobe', ['-v', 'error', url(locked, playId('refused'), more)], 5000),
      ),
    );
    for (const { code } of answers) assert.equal(code, 1);
    const letIn = (await clientsOf(locked)).filter(({ name }) => name === 'refused');
    assert.deepEqual(letIn, []);
  });

  test('a second ffmpeg is let in and closed, and the first goes on', async () => {
    const publishers = async () =>
      (await clientsOf(open)).filter(({ publish, name }) => publish && name === 'a');
    const [before] = await publishers();
    const second = await run('ffmpeg', [
      ...[...INPUT, '-c', 'copy', '-f', 'mpegts', url(open, publishId('a'))],
    ]);
    assert.notEqual(second.code, 0);
    const [still] = await publishers();
    assert.equal(still!.id, before!.id);
  });
});
