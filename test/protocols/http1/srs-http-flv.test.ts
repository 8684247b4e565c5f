/** What curl and SRS 7.0.18 said to each other over HTTP-FLV (fixtures/captures/srs-7.0.18/http-flv). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../protocols/errors.ts';
import { isKeyframe, isSequenceHeader } from '../../../protocols/flv/body.ts';
import { FlvReader } from '../../../protocols/flv/reader.ts';
import { parseAvcConfig, parseSps } from '../../../protocols/h264/parameter-sets.ts';
import {
  encodeRequest,
  type ResponseHead,
  ResponseReader,
} from '../../../protocols/http1/response-reader.ts';
import { MediaType } from '../../../protocols/media.ts';
import { pushInPieces, type Tag, TagCollector } from '../flv/collect.ts';

const capture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../fixtures/captures/srs-7.0.18/${name}`, import.meta.url)));
const answer = capture('http-flv.s2c.bin');

function play(
  bytes: Uint8Array,
  cuts: readonly number[],
): { head: ResponseHead; tags: Tag[]; collector: TagCollector } {
  const collector = new TagCollector();
  const flv = new FlvReader(collector);
  let head: ResponseHead | undefined;
  const http = new ResponseReader({
    onHead(got) {
      head = got;
    },
    onBody: (piece, start, end) => flv.push(piece, start, end),
    onEnd: () => assert.fail('the capture is cut off: it has no end'),
  });
  pushInPieces(bytes, cuts, (piece, start, end) => http.push(piece, start, end));
  return { head: head!, tags: collector.tags, collector };
}

test('the answer is chunked FLV: metadata, AAC and AVC sequence headers, a keyframe, then what follows', () => {
  const { head, tags, collector } = play(answer, []);
  assert.equal(head.status, 200);
  assert.equal(head.reason, 'OK');
  assert.deepEqual(Object.fromEntries(head.headers), {
    connection: 'Close',
    'content-type': 'video/x-flv',
    server: 'SRS/7.0.18(Hang)',
    'transfer-encoding': 'chunked',
  });
  assert.deepEqual(collector.flags, { audio: true, video: true });
  assert.deepEqual(collector.faults, []);

  assert.equal(tags[0]!.type, MediaType.script);
  assert.equal(Buffer.from(tags[0]!.body.subarray(0, 13)).toString('latin1'), '\x02\x00\x0aonMetaData');
  assert.equal(isSequenceHeader(MediaType.audio, tags[1]!.body) && tags[1]!.type === MediaType.audio, true);
  assert.deepEqual([...tags[1]!.body.subarray(0, 4)], [0xaf, 0, 0x12, 0x08]);
  assert.equal(tags[2]!.type, MediaType.video);
  assert.equal(isSequenceHeader(MediaType.video, tags[2]!.body), true);
  const firstFrame = tags.slice(3).find((tag) => tag.type === MediaType.video)!;
  assert.equal(isKeyframe(firstFrame.body), true);

  const config = parseAvcConfig(tags[2]!.body, 5);
  assert.equal(config.lengthSize, 4);
  const sps = parseSps(config.sps[0]!);
  assert.deepEqual(
    [sps.profile, sps.level, sps.width, sps.height, sps.progressive],
    [66, 12, 320, 180, true],
  );

  const video = tags.filter((tag) => tag.type === MediaType.video).slice(1);
  const keyframes = video.flatMap((tag, i) => (isKeyframe(tag.body) ? [i] : []));
  assert.ok(video.length > 100, `${video.length} frames`);
  assert.deepEqual(
    keyframes,
    keyframes.map((_, i) => i * 25),
    'a keyframe every 25 frames',
  );
  for (const [i, tag] of video.slice(1).entries()) assert.equal(tag.timestamp - video[i]!.timestamp, 40);
});

test('cut anywhere, it reads the same', () => {
  const whole = play(answer, []).tags;
  assert.deepEqual(play(answer, Array.from(answer.keys())).tags, whole, 'byte by byte');
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 200 }), (cuts) => {
      assert.deepEqual(play(answer, cuts).tags, whole);
    }),
    { numRuns: 30 },
  );
});

test('damage to it gives a ProtocolError or other tags, never anything else', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(answer.length - 1), fc.nat(255)), { minLength: 1, maxLength: 10 }),
      fc.array(fc.tuple(fc.nat(700), fc.nat(255)), { maxLength: 3 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      (anywhere, early, cuts) => {
        const bytes = answer.slice();
        for (const [at, value] of [...anywhere, ...early]) bytes[at] = value;
        const collector = new TagCollector();
        const flv = new FlvReader(collector);
        const http = new ResponseReader({
          onHead() {},
          onBody: (piece, start, end) => flv.push(piece, start, end),
          onEnd() {},
        });
        try {
          pushInPieces(bytes, cuts, (piece, start, end) => http.push(piece, start, end));
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      },
    ),
    { numRuns: 100 },
  );
});

test("curl's request is what the encoder would have written", () => {
  const encoded = encodeRequest({
    method: 'GET',
    path: '/live/x.flv',
    host: '127.0.0.1:18099',
    headers: { 'User-Agent': 'curl/7.88.1', Accept: '*/*' },
  });
  assert.deepEqual(encoded, capture('http-flv.c2s.bin'));
});
