/** What we write, read by ffmpeg; what ffmpeg writes, read by us. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AnnexBScanner } from '../../../protocols/h264/annexb-scanner.ts';
import { MediaType } from '../../../protocols/media.ts';
import { StreamType } from '../../../protocols/mpegts/psi.ts';
import { TsReader } from '../../../protocols/mpegts/reader.ts';
import { TsWriter } from '../../../protocols/mpegts/writer.ts';
import {
  counts,
  FIXTURE,
  flvOf,
  isMedia,
  muxTs,
  PesCollector,
  readTs,
  STREAM,
  splitAdts,
  stampedTags,
} from './collect.ts';

const VIDEO_FRAMES = 250;
const AUDIO_FRAMES = 431;

let directory = '';
let stampedFile = '';
let ourFile = '';

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'liveproof-mpegts-'));
  stampedFile = join(directory, 'stamped.flv');
  ourFile = join(directory, 'ours.ts');
  writeFileSync(stampedFile, flvOf(stampedTags()));
  writeFileSync(ourFile, muxTs(stampedTags()));
});

after(() => rmSync(directory, { recursive: true }));

function run(program: string, ...args: string[]): { stdout: Buffer; stderr: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { maxBuffer: 64 * 1024 * 1024 });
  assert.equal(status, 0, stderr.toString());
  return { stdout, stderr: stderr.toString() };
}

/** What `-f framemd5` says of each packet, time stamps left out: stream, size, digest. */
function packetSums(file: string, ...options: string[]): string[] {
  const { stdout } = run('ffmpeg', '-v', 'error', '-i', file, ...options, '-f', 'framemd5', '-');
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(',').toSpliced(1, 3).join())
    .sort();
}

/** Numbers of the frames whose stamp is whole; every one must be of STREAM. */
function stampedFrames(units: readonly Uint8Array[]): number[] {
  const scanner = new AnnexBScanner();
  return units.flatMap((unit) => {
    scanner.begin();
    scanner.data(unit, 0, unit.length);
    scanner.end();
    if (!scanner.intact) return [];
    assert.equal(scanner.stream, STREAM);
    assert.equal(scanner.keyframe, scanner.frame % 25 === 0);
    return [scanner.frame];
  });
}

const ALL = Array.from({ length: VIDEO_FRAMES }, (_, i) => i);

test('ffprobe and ffmpeg read what we write without a word: every frame, every time stamp', () => {
  const probe = run(
    'ffprobe',
    ...['-v', 'warning', '-count_packets', '-show_entries', 'stream=codec_name,nb_read_packets'],
    ...['-of', 'csv=p=0', ourFile],
  );
  assert.equal(probe.stderr, '');
  const streams = new Set(probe.stdout.toString().trim().split(/\s+/));
  assert.ok(streams.has(`h264,${VIDEO_FRAMES}`), [...streams].join(' '));
  assert.ok(streams.has(`aac,${AUDIO_FRAMES}`), [...streams].join(' '));
  assert.equal(run('ffmpeg', '-v', 'warning', '-xerror', '-i', ourFile, '-f', 'null', '-').stderr, '');
  const times = run(
    'ffprobe',
    ...['-v', 'warning', '-select_streams', 'v', '-show_entries', 'packet=pts,dts,flags'],
    ...['-of', 'csv=p=0', ourFile],
  );
  const lines = times.stdout.toString().trim().split(/\s+/);
  assert.deepEqual(
    lines.map((line) => line.split(',').slice(0, 3).join()),
    ALL.map((i) => `${i * 3600},${i * 3600},${i % 25 === 0 ? 'K_' : '__'}`),
  );
});

test('ffmpeg decodes it to the pictures and the sound of the source', () => {
  assert.deepEqual(packetSums(ourFile), packetSums(FIXTURE));
});

test('video alone, audio alone', () => {
  for (const [streams, type, expected] of [
    [{ video: true, audio: false }, MediaType.video, `h264,${VIDEO_FRAMES}`],
    [{ video: false, audio: true }, MediaType.audio, `aac,${AUDIO_FRAMES}`],
  ] as const) {
    const file = join(directory, 'alone.ts');
    const tags = stampedTags().filter((tag) => tag.type === type || !isMedia(tag));
    const bytes = muxTs(tags, { streams });
    writeFileSync(
      file,
      type === MediaType.audio ? Buffer.concat([new TsWriter().tables(streams), bytes]) : bytes,
    );
    const probe = run(
      'ffprobe',
      ...['-v', 'warning', '-count_packets', '-show_entries', 'stream=codec_name,nb_read_packets'],
      ...['-of', 'csv=p=0', file],
    );
    assert.equal(probe.stderr, '');
    assert.deepEqual([...new Set(probe.stdout.toString().trim().split(/\s+/))], [expected]);
  }
});

test("what ffmpeg muxes from a stamped file: every frame, every stamp, the source's time stamps", () => {
  const { stdout } = run(
    'ffmpeg',
    ...['-v', 'error', '-i', stampedFile, '-c', 'copy', '-muxdelay', '0', '-muxpreload', '0'],
    ...['-f', 'mpegts', '-'],
  );
  const { seen, reader } = readTs(new Uint8Array(stdout), [1000, 100_000, 200_001]);
  assert.deepEqual([counts(reader), seen.faults], [{}, []]);
  const video = seen.of(StreamType.h264);
  assert.deepEqual(stampedFrames(video.map(({ payload }) => payload)), ALL);
  assert.deepEqual(
    video.map(({ dts }) => dts - video[0]!.dts),
    ALL.map((i) => i * 3600),
  );
  assert.deepEqual(
    video.flatMap(({ randomAccess }, i) => (randomAccess ? [i] : [])),
    ALL.filter((i) => i % 25 === 0),
  );
  const audio = seen.of(StreamType.adts).flatMap(({ payload }) => splitAdts(payload));
  const sent = stampedTags().filter((tag) => tag.type === MediaType.audio && isMedia(tag));
  assert.deepEqual(
    audio.map((frame) => Buffer.from(frame.subarray(7)).toString('base64')),
    sent.map(({ body }) => Buffer.from(body.subarray(2)).toString('base64')),
  );
});

test("the segments of ffmpeg's HLS: one reader for all of them, every frame once", () => {
  run(
    'ffmpeg',
    ...['-v', 'error', '-i', stampedFile, '-c', 'copy', '-f', 'hls', '-hls_time', '2', '-hls_list_size', '0'],
    ...['-hls_segment_filename', join(directory, 'hls-%03d.ts'), join(directory, 'hls.m3u8')],
  );
  const files = readdirSync(directory).filter((name) => /^hls-\d+\.ts$/.test(name));
  assert.equal(files.length, 5);
  const seen = new PesCollector();
  const reader = new TsReader(seen);
  for (const [i, name] of files.sort().entries()) {
    reader.push(new Uint8Array(readFileSync(join(directory, name))));
    reader.end();
    assert.equal(seen.of(StreamType.h264).length, 50 * (i + 1), 'each segment is whole');
  }
  assert.deepEqual([counts(reader), seen.faults, seen.programs.length], [{}, [], 1]);
  assert.deepEqual(stampedFrames(seen.of(StreamType.h264).map(({ payload }) => payload)), ALL);
  assert.equal(seen.of(StreamType.adts).flatMap(({ payload }) => splitAdts(payload)).length, AUDIO_FRAMES);
});

test('B-frames: PTS and DTS of libx264, written by ffmpeg', () => {
  const bytes = execFileSync(
    'ffmpeg',
    [
      ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=1'],
      ...['-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2'],
      ...['-x264-params', 'b-adapt=0:slices=2', '-f', 'mpegts', '-'],
    ],
    { maxBuffer: 8 * 1024 * 1024 },
  );
  const { seen, reader } = readTs(new Uint8Array(bytes));
  const video = seen.of(StreamType.h264);
  assert.deepEqual([video.length, counts(reader)], [25, {}]);
  assert.deepEqual(
    video.map(({ dts }) => dts - video[0]!.dts),
    Array.from({ length: 25 }, (_, i) => i * 3600),
  );
  assert.ok(video.some(({ pts, dts }) => pts > dts + 3600));
  assert.equal(new Set(video.map(({ pts }) => pts)).size, 25);
});
