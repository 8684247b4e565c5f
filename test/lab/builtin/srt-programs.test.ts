/** The SRT port of a builtin origin against programs of libsrt, which share no code with it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { TsReader } from '../../../protocols/mpegts/reader.ts';
import { playId, publishId, type SrtNode, startSrtNode } from './srt-support.ts';
import { clientsOf, eventually, ROOT, run, stopAll } from './support.ts';

const FIXTURE = `${ROOT}fixtures/media/av-480k.flv`;
const PASSPHRASE = 'a-passphrase-of-ours';
let open: SrtNode;
let locked: SrtNode;
let directory: string;
const programs: ChildProcess[] = [];

const url = (node: SrtNode, streamId: string, more = ''): string =>
  `srt://127.0.0.1:${node.srtPort}?streamid=${streamId}${more}`;

function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: 'ignore' });
  programs.push(child);
  return child;
}

function publish(to: string): ChildProcess {
  const input = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', FIXTURE];
  return start('ffmpeg', [...input, '-c', 'copy', '-f', 'mpegts', to]);
}

const isPublished = (node: SrtNode, stream: string): Promise<boolean> =>
  eventually(`${stream} at the node`, async () => {
    const { streams } = await node.api('/api/v1/streams/');
    const found = (streams as { name: string; video: unknown }[]).find(({ name }) => name === stream);
    return found !== undefined && found.video !== null;
  });

before(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-srt-'));
  const hls = { directory: path.join(directory) };
  [open, locked] = await Promise.all([
    startSrtNode({}, { hls, settings: { hls: { fragmentSeconds: 1, windowSeconds: 6, sessions: false } } }),
    startSrtNode({ passphrase: PASSPHRASE, pbkeylen: 32 }),
  ]);
  publish(url(open, publishId('a')));
  publish(url(locked, publishId('b'), `&passphrase=${PASSPHRASE}&pbkeylen=32`));
  await Promise.all([isPublished(open, 'a'), isPublished(locked, 'b')]);
});

after(async () => {
  for (const child of programs) child.kill('SIGKILL');
  await stopAll();
  rmSync(directory, { recursive: true, force: true });
});

test('what ffmpeg publishes over SRT, ffmpeg plays over RTMP, HTTP-FLV and HLS without a gap', async () => {
  await eventually('a segment', async () => (await fetch(`${open.http}/live/a.m3u8`)).ok, 6000);
  const urls = [open.rtmp('a'), open.flv('a'), `${open.http}/live/a.m3u8`];
  const played = await Promise.all(
    urls.map((from) =>
      run('ffprobe', [
        ...['-v', 'error', '-select_streams', 'v', '-read_intervals', '%+2'],
        ...['-show_entries', 'packet=dts_time', '-of', 'csv=p=0', from],
      ]),
    ),
  );
  for (const [at, { code, stdout, stderr }] of played.entries()) {
    assert.equal(code, 0, stderr);
    const times = stdout
      .split('\n')
      .map((line) => Number.parseFloat(line))
      .filter((time) => !Number.isNaN(time));
    assert.ok(times.length >= 20, `${urls[at]}: ${times.length} frames`);
    for (let i = 1; i < times.length; i++) {
      const step = times[i]! - times[i - 1]!;
      assert.ok(step > 0.03 && step < 0.05, `${urls[at]}: ${step} s between two frames`);
    }
  }
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
      await eventually(`${stream}.ts`, () => statSync(file).size > 100_000, 6000);
      player.kill('SIGKILL');
      const bytes = readFileSync(file);
      const reader = new TsReader({ onPesBegin() {}, onPesPayload() {}, onPesEnd() {} });
      reader.push(bytes.subarray(0, bytes.length - (bytes.length % 188)));
      assert.deepEqual([reader.continuityErrors, reader.discarded, reader.stray > 20], [0, 0, false]);
    }),
  );
});

test('a wrong passphrase is refused, and so is none', async () => {
  const players = async (): Promise<unknown[]> =>
    (await clientsOf(locked)).filter(({ type }) => type === 'srt-play').map(({ id }) => id);
  const known = await players();
  const answers = await Promise.all(
    ['&passphrase=another-passphrase', ''].map((more) =>
      run('ffprobe', ['-v', 'error', url(locked, playId('b'), more)], 5000),
    ),
  );
  for (const { code } of answers) assert.equal(code, 1);
  const more = (await players()).filter((id) => !known.includes(id));
  assert.deepEqual(more, []);
});

test('a second ffmpeg is let in and closed, and the first goes on', async () => {
  const [before] = await clientsOf(open).then((all) => all.filter(({ publish }) => publish));
  const second = await run('ffmpeg', [
    ...['-v', 'error', '-re', '-stream_loop', '-1', '-i', FIXTURE],
    ...['-c', 'copy', '-f', 'mpegts', url(open, publishId('a'))],
  ]);
  assert.notEqual(second.code, 0);
  const [still] = await clientsOf(open).then((all) => all.filter(({ publish }) => publish));
  assert.equal(still!.id, before!.id);
});
