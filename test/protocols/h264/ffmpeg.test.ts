/** What we write, read by ffmpeg; what libx264 writes, read by us. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ProtocolError } from '../../../protocols/errors.ts';
import { isSequenceHeader } from '../../../protocols/flv/body.ts';
import { encodeTag, flvHeader } from '../../../protocols/flv/writer.ts';
import { splitAnnexB } from '../../../protocols/h264/annexb.ts';
import { joinAvcc, splitAvcc } from '../../../protocols/h264/avcc.ts';
import { isSlice, NalType, nalType } from '../../../protocols/h264/nal.ts';
import {
  encodeAvcConfig,
  parseAvcConfig,
  parseSps,
  type Sps,
} from '../../../protocols/h264/parameter-sets.ts';
import { AccessUnitScanner, insertStamp, isStamp, StampTemplate } from '../../../protocols/h264/stamp.ts';
import { MediaType } from '../../../protocols/media.ts';
import { readTags } from '../flv/collect.ts';

const FIXTURE = new URL('../../../fixtures/media/av-480k.flv', import.meta.url).pathname;
const fixture = readTags(new Uint8Array(readFileSync(FIXTURE)));
const CLOCK = 1_795_200_644_123.456;

let directory = '';
let stampedFile = '';

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'liveproof-h264-'));
  stampedFile = join(directory, 'stamped.flv');
  let frame = 0;
  const tags = fixture.map(({ type, timestamp, body }) => {
    const template = type === MediaType.video ? StampTemplate.of(body) : undefined;
    return encodeTag(type, timestamp, template?.write(1, frame++, CLOCK + timestamp) ?? body);
  });
  assert.equal(frame, 250);
  writeFileSync(stampedFile, Buffer.concat([flvHeader({ audio: true, video: true }), ...tags]));
});

after(() => rmSync(directory, { recursive: true }));

function run(program: string, args: readonly string[]): Buffer {
  return execFileSync(program, args, { maxBuffer: 64 * 1024 * 1024, stdio: ['ignore', 'pipe', 'pipe'] });
}

test('ffmpeg decodes the stamped file without a word, to the same pictures and sound', () => {
  const decode = spawnSync('ffmpeg', ['-v', 'error', '-i', stampedFile, '-f', 'null', '-'], {
    encoding: 'utf8',
  });
  assert.equal(decode.status, 0);
  assert.equal(decode.stderr, '');
  const pictures = (file: string): string =>
    run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'framemd5', '-']).toString();
  assert.equal(pictures(stampedFile), pictures(FIXTURE));
  const count = run('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v', '-count_packets'],
    ...['-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0', stampedFile],
  ]);
  assert.equal(count.toString().trim(), '250');
});

test('ffmpeg takes the SEI for what it is', () => {
  const { stderr } = spawnSync(
    'ffmpeg',
    [
      '-i',
      stampedFile,
      '-c:v',
      'copy',
      '-an',
      '-frames:v',
      '2',
      '-bsf:v',
      'trace_headers',
      '-f',
      'null',
      '-',
    ],
    { encoding: 'utf8' },
  );
  const uuids = [...stderr.matchAll(/uuid_iso_iec_11578\[0\]\s+01101100 = 108/g)];
  assert.equal(uuids.length, 2, 'one stamp in each of two frames');
  assert.doesNotMatch(stderr, /Invalid|error/i);
});

test("in ffmpeg's Annex B every access unit carries its stamp, and it verifies", () => {
  const stream = new Uint8Array(
    run('ffmpeg', ['-v', 'error', '-i', stampedFile, '-c:v', 'copy', '-f', 'h264', '-']),
  );
  const nals = splitAnnexB(stream);
  const isParameterSet = (nal: Uint8Array): boolean =>
    nalType(nal[0]!) === NalType.sps || nalType(nal[0]!) === NalType.pps;
  const ours = readTags(new Uint8Array(readFileSync(stampedFile)))
    .filter((tag) => tag.type === MediaType.video && !isSequenceHeader(tag.type, tag.body))
    .flatMap((tag) => splitAvcc(tag.body, 5));
  assert.deepEqual(
    nals.filter((nal) => !isParameterSet(nal)),
    ours.filter((nal) => !isParameterSet(nal)),
    'the same NAL units as in our AVCC',
  );

  const scanner = new AccessUnitScanner();
  let unit: Uint8Array[] = [];
  let frame = 0;
  for (const nal of nals) {
    unit.push(nal);
    if (!isSlice(nalType(nal[0]!))) continue;
    const body = Uint8Array.of(0x27, 1, 0, 0, 0, ...joinAvcc(unit));
    scanner.begin(body.length);
    scanner.data(body, 0, body.length);
    scanner.end();
    assert.equal(scanner.intact, true, `frame ${frame}`);
    assert.equal(scanner.frame, frame++);
    unit = [];
  }
  assert.equal(frame, 250);
  assert.equal(nals.filter(isStamp).length, 250);
});

test("what ffmpeg's muxer does to a stamped file, the scanner reads through", () => {
  const remuxed = run('ffmpeg', ['-v', 'error', '-i', stampedFile, '-c', 'copy', '-f', 'flv', '-']);
  const scanner = new AccessUnitScanner();
  const seen: number[] = [];
  for (const tag of readTags(new Uint8Array(remuxed))) {
    if (tag.type !== MediaType.video) continue;
    scanner.begin(tag.body.length);
    scanner.data(tag.body, 0, tag.body.length);
    scanner.end();
    assert.equal(scanner.malformed, false);
    if (scanner.intact) seen.push(scanner.frame);
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 250 }, (_, i) => i),
  );
});

/** One frame by libx264; the SPS out of its Annex B. */
function encode(size: string, pixelFormat: string, ...options: string[]): Sps {
  const stream = run('ffmpeg', [
    ...[
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      `color=size=${size}:rate=25,format=${pixelFormat}`,
      '-frames:v',
      '1',
    ],
    ...['-pix_fmt', pixelFormat, '-c:v', 'libx264', '-preset', 'ultrafast', ...options, '-f', 'h264', '-'],
  ]);
  return parseSps(splitAnnexB(new Uint8Array(stream)).find((nal) => nalType(nal[0]!) === NalType.sps)!);
}

test("libx264's SPS in every chroma format, cropped, interlaced, with scaling matrices", () => {
  const pick = ({ profile, level, width, height, progressive }: Sps): unknown[] => [
    profile,
    level,
    width,
    height,
    progressive,
  ];
  assert.deepEqual(pick(encode('642x358', 'yuv420p', '-profile:v', 'baseline', '-level', '3.1')), [
    66,
    31,
    642,
    358,
    true,
  ]);
  assert.deepEqual(
    pick(encode('1920x1080', 'yuv420p', '-profile:v', 'high', '-level', '4.0', '-x264-params', '8x8dct=1')),
    [100, 40, 1920, 1080, true],
  );
  assert.deepEqual(pick(encode('322x181', 'yuv422p10le', '-level', '3.0')), [122, 30, 322, 181, true]);
  assert.deepEqual(pick(encode('321x181', 'yuv444p', '-level', '3.0')), [244, 30, 321, 181, true]);
  assert.deepEqual(pick(encode('320x180', 'yuv420p', '-level', '3.0', '-x264-params', 'tff=1:cqm=jvt')), [
    100,
    30,
    320,
    180,
    false,
  ]);
});

test('the decoder configuration of the fixture: read, and written back byte for byte', () => {
  const body = fixture.find(
    (tag) => isSequenceHeader(MediaType.video, tag.body) && tag.type === MediaType.video,
  )!.body;
  const config = parseAvcConfig(body, 5);
  assert.deepEqual(
    [config.profile, config.level, config.lengthSize, config.sps.length, config.pps.length],
    [66, 30, 4, 1, 1],
  );
  const sps = parseSps(config.sps[0]!);
  assert.deepEqual(
    [sps.profile, sps.level, sps.width, sps.height, sps.progressive],
    [66, 30, 640, 360, true],
  );
  assert.equal(sps.compatibility, config.compatibility);
  assert.deepEqual(encodeAvcConfig(config), body.subarray(5));
  for (let length = 0; length < body.length - 5; length++) {
    assert.throws(() => parseAvcConfig(body, 5, 5 + length), ProtocolError, `cut to ${length} bytes`);
  }
  for (let length = 0; length < 9; length++) {
    assert.throws(
      () => parseSps(config.sps[0]!.subarray(0, length)),
      ProtocolError,
      `SPS cut to ${length} bytes`,
    );
  }
  assert.equal(insertStamp(body, { stream: 1, frame: 1, sentAt: CLOCK }), body);
});
