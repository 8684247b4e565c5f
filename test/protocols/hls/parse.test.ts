import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { parsePlaylist } from '../../../protocols/hls/parse.ts';
import type { MasterPlaylist, MediaPlaylist } from '../../../protocols/hls/playlist.ts';
import { writeMasterPlaylist, writeMediaPlaylist } from '../../../protocols/hls/write.ts';

const capture = (name: string): string =>
  readFileSync(new URL(`../../../fixtures/captures/${name}`, import.meta.url), 'utf8');

function media(body: string): MediaPlaylist {
  const playlist = parsePlaylist(`#EXTM3U\n#EXT-X-TARGETDURATION:2\n${body}`);
  assert.equal(playlist.kind, 'media');
  return playlist as MediaPlaylist;
}

function master(text: string): MasterPlaylist {
  const playlist = parsePlaylist(`#EXTM3U\n${text}`);
  assert.equal(playlist.kind, 'master');
  return playlist as MasterPlaylist;
}

function refused(text: string, code: ProtocolErrorCode, limits = {}): void {
  assert.throws(
    () => parsePlaylist(text, limits),
    (error: unknown) => error instanceof ProtocolError && error.code === code,
    `${JSON.stringify(text.slice(0, 80))} is not refused with ${code}`,
  );
}

test("SRS's session master and media playlist", () => {
  const session = parsePlaylist(capture('srs-7.0.18/hls-master.m3u8')) as MasterPlaylist;
  assert.deepEqual(
    session.variants.map(({ uri, bandwidth, averageBandwidth }) => [uri, bandwidth, averageBandwidth]),
    [['/live/x.m3u8?hls_ctx=9w27lr88', 1, 1]],
  );
  const live = parsePlaylist(capture('srs-7.0.18/hls-media.m3u8')) as MediaPlaylist;
  assert.deepEqual(
    [live.version, live.targetDuration, live.mediaSequence, live.endList, live.segments.length],
    [3, 3, 0, false, 7],
  );
  assert.deepEqual(
    live.segments
      .map(({ sequence, duration, discontinuity }) => [sequence, duration, discontinuity])
      .slice(0, 2),
    [
      [0, 2.023, true],
      [1, 2, false],
    ],
  );
});

test("nginx-rtmp's keys are named and last until the next", () => {
  const playlist = parsePlaylist(capture('nginx-rtmp-1.2.2/keys.m3u8')) as MediaPlaylist;
  assert.deepEqual(
    playlist.segments.map(({ sequence, key }) => [sequence, key?.method, key?.uri]),
    [
      [16, 'AES-128', '/keys/y-15.key'],
      [17, 'AES-128', '/keys/y-15.key'],
      [18, 'AES-128', '/keys/y-18.key'],
      [19, 'AES-128', '/keys/y-18.key'],
    ],
  );
});

test('CRLF, a byte order mark, comments, blank lines and spaces around attributes are overlooked', () => {
  const text =
    '\ufeff#EXTM3U\r\n# hello\r\n\r\n#EXT-X-STREAM-INF: BANDWIDTH=5 , CODECS="a,b" ,X-Y="=,=",\r\nlow.m3u8 \r\n';
  const playlist = parsePlaylist(text) as MasterPlaylist;
  assert.deepEqual(playlist.variants[0], {
    uri: 'low.m3u8',
    bandwidth: 5,
    averageBandwidth: undefined,
    codecs: 'a,b',
    resolution: undefined,
    frameRate: undefined,
    attributes: { BANDWIDTH: '5', CODECS: 'a,b', 'X-Y': '=,=' },
  });
});

test('variants and renditions', () => {
  const playlist = master(
    '#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x, y",URI="a.m3u8"\n' +
      '#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=640x360,FRAME-RATE=29.97,AUDIO="a"\nv.m3u8\n' +
      '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"\n',
  );
  assert.deepEqual(
    playlist.renditions.map(({ type, groupId, name, uri }) => [type, groupId, name, uri]),
    [['AUDIO', 'a', 'x, y', 'a.m3u8']],
  );
  assert.deepEqual(playlist.variants[0]!.resolution, { width: 640, height: 360 });
  assert.equal(playlist.variants[0]!.frameRate, 29.97);
  assert.equal(playlist.independentSegments, true);
  assert.deepEqual(playlist.unknownTags, [
    { line: 6, text: '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"' },
  ]);
});

test('byte ranges continue on the same resource only', () => {
  const inf = '#EXTINF:2,\n';
  const { segments } = media(
    `#EXT-X-MAP:URI="i.mp4",BYTERANGE="700@10"\n#EXT-X-BYTERANGE:100@5\n${inf}a\n#EXT-X-BYTERANGE:50\n${inf}a\n#EXT-X-BYTERANGE:7\n${inf}b\n${inf}c\n`,
  );
  assert.deepEqual(
    segments.map(({ byteRange }) => byteRange && [byteRange.offset, byteRange.length]),
    [[5, 100], [105, 50], [0, 7], undefined],
  );
  assert.deepEqual(segments[3]!.map, { uri: 'i.mp4', byteRange: { length: 700, offset: 10 } });
});

test('discontinuities count on from the discontinuity sequence', () => {
  const { segments } = media(
    '#EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXTINF:2,\na\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\nb\n#EXTINF:2,\nc\n',
  );
  assert.deepEqual(
    segments.map(({ discontinuitySequence, discontinuity }) => [discontinuitySequence, discontinuity]),
    [
      [4, false],
      [5, true],
      [5, false],
    ],
  );
});

test('dates with and without the colon in their zone, gaps, titles', () => {
  const { segments, unknownTags } = media(
    '#EXT-X-PROGRAM-DATE-TIME:2010-02-19T14:54:23.031+08:00\n#EXTINF:2,a, b\na\n' +
      '#EXT-X-PROGRAM-DATE-TIME:2010-02-19T06:54:23.031+0000\n#EXT-X-GAP\n#EXTINF:2\nb\n' +
      '#EXT-X-PROGRAM-DATE-TIME:yesterday\n#EXTINF:2,\nc\nignored.ts\n',
  );
  const at = Date.UTC(2010, 1, 19, 6, 54, 23, 31);
  assert.deepEqual(
    segments.map(({ programDateTime, gap, title }) => [programDateTime, gap, title]),
    [
      [at, false, 'a, b'],
      [at, true, ''],
      [undefined, false, ''],
    ],
  );
  assert.deepEqual(unknownTags, [{ line: 10, text: '#EXT-X-PROGRAM-DATE-TIME:yesterday' }]);
});

test('parts, hints, server control; skipped segments are numbered past', () => {
  const playlist = media(
    '#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5\n' +
      '#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXT-X-PART:DURATION=.5,URI="p",BYTERANGE="10@0",INDEPENDENT=YES\n' +
      '#EXT-X-PART:DURATION=0.5,URI="p",BYTERANGE="20",GAP=YES\n#EXTINF:1,\ns\n#EXT-X-PART:DURATION=0.5,URI="q"\n' +
      '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="r",BYTERANGE-START=5\n#EXT-X-FUTURE:1\n',
  );
  assert.deepEqual(
    playlist.segments.map(({ sequence, parts }) => [sequence, parts.length]),
    [[13, 2]],
  );
  assert.deepEqual(playlist.segments[0]!.parts[1], {
    uri: 'p',
    duration: 0.5,
    independent: false,
    gap: true,
    byteRange: { length: 20, offset: 10 },
  });
  assert.equal(playlist.parts.length, 1);
  assert.deepEqual(playlist.preloadHints, [
    { type: 'PART', uri: 'r', byteRangeStart: 5, byteRangeLength: undefined },
  ]);
  assert.deepEqual({ ...playlist.serverControl }, { 'CAN-BLOCK-RELOAD': 'YES', 'PART-HOLD-BACK': '1.5' });
  assert.deepEqual(
    playlist.unknownTags.map(({ text }) => text),
    ['#EXT-X-SKIP:SKIPPED-SEGMENTS=3', '#EXT-X-FUTURE:1'],
  );
});

test('each way of being wrong has its code', () => {
  const { HlsSignature, HlsKind, HlsTag, HlsSize } = ProtocolErrorCode;
  for (const text of ['', 'hello', ' #EXTM3U\n', '#EXTM3U8\n', '#EXTM3U\nG\0', '<html>'])
    refused(text, HlsSignature);
  for (const text of [
    '#EXTM3U\n',
    '#EXTM3U\na.ts\n',
    '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXTINF:1,\nb\n',
  ]) {
    refused(text, HlsKind);
  }
  const head = '#EXTM3U\n#EXT-X-TARGETDURATION:2\n';
  for (const body of [
    '#EXTINF:-1,\na',
    '#EXTINF:NaN,\na',
    '#EXTINF:1e9,\na',
    '#EXT-X-MEDIA-SEQUENCE:-1',
    '#EXT-X-MEDIA-SEQUENCE:99999999999999999999',
    '#EXT-X-BYTERANGE:x',
    '#EXT-X-MAP:URI="a',
    '#EXT-X-MAP:BYTERANGE="1"',
    '#EXT-X-KEY:URI="k"',
    '#EXTINF:1,\na\n#EXT-X-MEDIA-SEQUENCE:1',
  ]) {
    refused(head + body, HlsTag);
  }
  refused('#EXTM3U\n#EXTINF:1,\na\n', HlsTag);
  refused('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n', HlsTag);
  refused('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=x\na\n', HlsTag);
  const segments = `${head}${'#EXTINF:1,\na\n'.repeat(11)}`;
  refused(segments, HlsSize, { maxSegments: 10 });
  refused(segments, HlsSize, { maxLines: 10 });
  refused(segments, HlsSize, { maxLength: 10 });
  refused(`#EXTM3U\n${'x'.repeat(100 * 1024 * 1024)}`, HlsSize);
});

test('lists made to be slow are read in one pass', () => {
  const long = 1_000_000;
  for (const body of [`#EXT-X-MAP:${','.repeat(long)}`, `#EXT-X-MAP:${','.repeat(long)}A=1`]) {
    refused(`#EXTM3U\n${body}`, ProtocolErrorCode.HlsTag);
  }
  const { segments } = media(`${'#EXTINF:1,\na\n'.repeat(40_000)}`);
  assert.equal(segments.at(-1)!.sequence, 39_999);
});

test('what is written is read back', () => {
  const uri = fc.webUrl({ withQueryParameters: true });
  fc.assert(
    fc.property(
      fc.record(
        {
          targetDuration: fc.nat(100),
          mediaSequence: fc.nat(),
          discontinuitySequence: fc.option(fc.nat(1000), { nil: undefined }),
          segments: fc.array(
            fc.record(
              { uri, duration: fc.nat(90_000).map((ms) => ms / 1000), discontinuity: fc.boolean() },
              { noNullPrototype: true },
            ),
          ),
          endList: fc.boolean(),
        },
        { noNullPrototype: true },
      ),
      (written) => {
        const read = parsePlaylist(writeMediaPlaylist(written)) as MediaPlaylist;
        const { targetDuration, mediaSequence, endList, segments } = read;
        assert.deepEqual(
          {
            targetDuration,
            mediaSequence,
            discontinuitySequence: read.discontinuitySequence,
            segments: segments.map(({ uri, duration, discontinuity }) => ({ uri, duration, discontinuity })),
            endList,
          },
          { ...written, discontinuitySequence: written.discontinuitySequence ?? 0 },
        );
      },
    ),
    { numRuns: 200 },
  );
  const variants = [
    { uri: 'a', bandwidth: 1, averageBandwidth: 1, codecs: 'avc1,mp4a', resolution: { width: 1, height: 2 } },
  ];
  const read = parsePlaylist(writeMasterPlaylist({ variants })) as MasterPlaylist;
  const { attributes, frameRate, ...variant } = read.variants[0]!;
  assert.deepEqual([variant], variants);
  assert.equal(frameRate, undefined);
  assert.equal(attributes.RESOLUTION, '1x2');
});

/** Lines that are nearly right, in any order. */
const nearly = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '#EXTM3U',
        '#EXT-X-TARGETDURATION:2',
        '#EXTINF:2,',
        '#EXT-X-BYTERANGE:1@9007199254740991',
        '#EXT-X-MEDIA-SEQUENCE:9007199254740991',
        '#EXT-X-STREAM-INF:BANDWIDTH=1',
        '#EXT-X-KEY:METHOD=AES-128,URI="a,b"',
        '#EXT-X-PART:URI="a",DURATION=1,BYTERANGE="5"',
        '#EXT-X-MAP:__proto__="x",URI="y"',
        'a.ts',
        '',
      ),
      fc.string({ unit: 'binary' }),
      fc.string().map((text) => `#EXT${text}`),
    ),
  )
  .map((lines) => ['#EXTM3U', ...lines].join('\n'));

test('garbage throws a ProtocolError or nothing', () => {
  fc.assert(
    fc.property(fc.oneof(nearly, fc.string({ unit: 'binary' })), (text) => {
      try {
        parsePlaylist(text);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
