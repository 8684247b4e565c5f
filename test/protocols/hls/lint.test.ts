import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { lintPlaylist, lintReload } from '../../../protocols/hls/lint.ts';
import { parsePlaylist } from '../../../protocols/hls/parse.ts';
import type { MediaPlaylist } from '../../../protocols/hls/playlist.ts';

const capture = (name: string): string =>
  readFileSync(new URL(`../../../fixtures/captures/${name}`, import.meta.url), 'utf8');

const rules = (text: string): string[] => lintPlaylist(text).map(({ line, rule }) => `${line} ${rule}`);

const HEAD = '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n';
const media = (body: string): string[] => rules(HEAD + body);
const CODED = '#EXT-X-STREAM-INF:BANDWIDTH=2,CODECS="a"';
const master = (body: string): string[] => rules(`#EXTM3U\n${body}`);

test('playlists of SRS and nginx-rtmp are by the letter, but for codecs that they do not name', () => {
  for (const name of [
    'srs-7.0.18/hls-media.m3u8',
    'nginx-rtmp-1.2.2/live-after.m3u8',
    'nginx-rtmp-1.2.2/keys.m3u8',
  ]) {
    assert.deepEqual(lintPlaylist(capture(name)), [], name);
  }
  assert.deepEqual(lintPlaylist(capture('srs-7.0.18/hls-master.m3u8')), [
    {
      line: 2,
      rule: 'codecs-missing',
      level: 'should',
      says: 'EXT-X-STREAM-INF has no CODECS',
      section: '4.3.4.2',
    },
  ]);
  assert.deepEqual(rules(capture('nginx-rtmp-1.2.2/variants.m3u8')), [
    '3 codecs-missing',
    '5 codecs-missing',
    '7 codecs-missing',
  ]);
});

test('text', () => {
  const good = `${HEAD}#EXTINF:2,\na.ts\n`;
  assert.deepEqual(rules(good), []);
  assert.deepEqual(rules(good.replaceAll('\n', '\r\n')), []);
  assert.deepEqual(rules(`\ufeff${good}`), ['1 text-bom']);
  assert.deepEqual(rules(`\n${good}`), ['1 extm3u-first']);
  assert.deepEqual(rules(`${good}#x\u0007\n`), ['6 text-control']);
  assert.deepEqual(rules(`${good}#x\ufffd\n`), ['6 text-utf8']);
  assert.deepEqual(rules(good.replace('a.ts', 'a.ts ')), ['5 text-white-space']);
  assert.deepEqual(rules(good.replace('a.ts', 'a b.ts')), ['5 uri-form']);
  assert.deepEqual(rules(good.replace('a.ts', 'a%zz.ts')), ['5 uri-form']);
  assert.deepEqual(rules(''), ['0 kind-none', '1 extm3u-first']);
  assert.deepEqual(rules(`${good}${CODED}\nb.m3u8\n`).includes('0 kind-mixed'), true);
});

test('tags of a media playlist', () => {
  const cases: readonly [string, string[]][] = [
    ['#EXTINF:2.4,\na\n', []],
    ['#EXTINF:2.5,\na\n', ['4 target-duration-exceeded']],
    ['#EXTINF:2\na\n', ['4 tag-value']],
    ['#EXTINF:-1,\na\n', ['4 tag-value']],
    ['#EXTINF:2,\n\n#EXT-X-ENDLIST\n', ['4 extinf-uri']],
    ['#EXTINF:2,\n#EXTINF:2,\na\n', ['5 segment-tag-repeated']],
    ['a\n', ['4 extinf-missing']],
    ['#EXT-X-TARGETDURATION:2\n', ['4 tag-repeated']],
    ['#EXT-X-VERSION:3\n', ['4 tag-repeated']],
    ['#EXT-X-ENDLIST:\n', []],
    ['#EXT-X-ENDLIST:x\n', ['4 tag-value']],
    ['#EXT-X-MEDIA-SEQUENCE:1.5\n', ['4 tag-value']],
    ['#EXT-X-PLAYLIST-TYPE:LIVE\n', ['4 tag-value']],
    ['#EXTINF:2,\na\n#EXT-X-MEDIA-SEQUENCE:1\n', ['6 media-sequence-late']],
    ['#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n', ['5 discontinuity-sequence-late']],
    ['#EXT-X-BYTERANGE:5@0\n#EXTINF:2,\na\n', ['4 version-too-low']],
    ['#EXT-X-KEY:METHOD=AES-128\n', ['4 attribute-missing']],
    ['#EXT-X-KEY:METHOD=NONE,URI="a"\n', ['4 key-none']],
    ['#EXT-X-KEY:METHOD=AES-128,URI=a\n', ['4 attribute-form']],
    ['#EXT-X-KEY:METHOD=AES-128,URI=""\n', ['4 uri-empty']],
    ['#EXT-X-KEY:METHOD=AES-128,URI="a",IV=0x12\n', ['4 attribute-form']],
    ['#EXT-X-KEY:METHOD=AES-128, URI="a"\n', ['4 attribute-list']],
    ['#EXT-X-KEY:METHOD=AES-128,URI="a",KEYFORMAT="b"\n', ['4 version-too-low']],
    ['#EXT-X-MAP:URI="a"\n', ['4 version-too-low']],
    ['#EXT-X-PROGRAM-DATE-TIME:2010-02-19T14:54:23.031Z\n#EXTINF:2,\na\n', []],
    ['#EXT-X-PROGRAM-DATE-TIME:2010-02-19T14:54:23.031\n#EXTINF:2,\na\n', ['4 date-zone']],
    ['#EXT-X-PROGRAM-DATE-TIME:2010-02-19T14:54:23Z\n#EXTINF:2,\na\n', ['4 date-fraction']],
    ['#EXT-X-PROGRAM-DATE-TIME:2010-02-19 14:54\n#EXTINF:2,\na\n', ['4 tag-value']],
    ['#EXT-X-DATERANGE:ID="a",START-DATE="2010-02-19T14:54:23.031Z"\n', ['4 date-range-clock']],
    ['#EXT-X-PART:URI="a",DURATION=1\n', ['4 part-inf-missing']],
    ['#EXT-X-SERVER-CONTROL:HOLD-BACK=5\n', ['4 hold-back']],
    ['#EXT-X-PART-INF:PART-TARGET=1\n#EXT-X-SERVER-CONTROL:PART-HOLD-BACK=1.5\n', ['5 part-hold-back']],
    ['#EXT-X-FUTURE:anything\n', []],
    ['#EXT-X-toString:constructor\n', []],
  ];
  for (const [body, expected] of cases) assert.deepEqual(media(body), expected, body);
  assert.deepEqual(rules('#EXTM3U\n#EXTINF:2,\na\n'), ['0 target-duration-missing']);
  assert.deepEqual(rules('#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\na\n'), ['3 version-too-low']);
});

test('byte ranges without an offset follow one of the same resource', () => {
  const head = '#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:2\n';
  const range = '#EXT-X-BYTERANGE:5\n#EXTINF:2,\n';
  assert.deepEqual(rules(`${head}#EXT-X-BYTERANGE:5@0\n#EXTINF:2,\na\n${range}a\n`), []);
  assert.deepEqual(rules(`${head}#EXT-X-BYTERANGE:5@0\n#EXTINF:2,\na\n${range}b\n`), ['7 byte-range-offset']);
  assert.deepEqual(rules(`${head}${range}a\n`), ['4 byte-range-offset']);
});

test('tags of a master playlist', () => {
  const audio = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="n"';
  const cases: readonly [string, string[]][] = [
    [`${CODED}\na\n`, []],
    [`${CODED},AUDIO="g"\na\n`, ['2 group-missing']],
    [`${audio}\n${CODED},AUDIO="g"\na\n`, []],
    [`${audio}\n${audio}\n`, ['3 rendition-name']],
    [`${CODED},CLOSED-CAPTIONS=NONE\na\n`, []],
    ['#EXT-X-STREAM-INF:CODECS="a"\na\n', ['2 attribute-missing']],
    ['#EXT-X-STREAM-INF:BANDWIDTH=2,AVERAGE-BANDWIDTH=3,CODECS="a"\na\n', ['2 bandwidth-average']],
    ['#EXT-X-STREAM-INF:BANDWIDTH=2,BANDWIDTH=2,CODECS="a"\na\n', ['2 attribute-list']],
    ['#EXT-X-STREAM-INF:BANDWIDTH=2,CODECS="a\na\n', ['2 attribute-list', '2 codecs-missing']],
    [`${CODED}\n`, ['2 stream-inf-uri']],
    [`${CODED}\n${CODED}\na\n`, ['2 stream-inf-uri']],
    [`${CODED}\na\nb\n`, ['4 stream-inf-missing']],
    ['#EXT-X-MEDIA:TYPE=SOUND,GROUP-ID="g",NAME="n"\n', ['2 attribute-form']],
    ['#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="g",NAME="n"\n', ['2 attribute-missing']],
    ['#EXT-X-SESSION-DATA:DATA-ID="a"\n', ['2 session-data-value']],
    ['#EXT-X-SESSION-KEY:METHOD=NONE\n', ['2 session-key-none']],
  ];
  for (const [body, expected] of cases) assert.deepEqual(master(body), expected, body);
});

function playlist(sequence: number, uris: readonly string[], extra = ''): MediaPlaylist {
  const segments = uris.map(
    (uri) =>
      `${uri.startsWith('!') ? '#EXT-X-DISCONTINUITY\n' : ''}#EXTINF:2.000,\n${uri.replace('!', '')}\n`,
  );
  const text = `${HEAD}#EXT-X-MEDIA-SEQUENCE:${sequence}\n${extra}${segments.join('')}`;
  return parsePlaylist(text) as MediaPlaylist;
}

test('reloads', () => {
  const before = playlist(5, ['a', 'b', 'c', 'd']);
  const reload = (next: MediaPlaylist, previous = before) =>
    lintReload(previous, next).map(({ rule }) => rule);
  assert.deepEqual(reload(before), []);
  assert.deepEqual(reload(playlist(6, ['b', 'c', 'd', 'e'])), []);
  assert.deepEqual(reload(playlist(9, ['e', 'f', 'g'])), []);
  assert.deepEqual(reload(playlist(5, ['a', 'b', 'c', 'd', 'e'], '#EXT-X-ENDLIST\n')), []);
  assert.deepEqual(reload(playlist(4, ['z', 'a', 'b', 'c', 'd'])), ['sequence-backwards']);
  assert.deepEqual(reload(playlist(0, ['a'])), ['sequence-backwards', 'segment-removed']);
  assert.deepEqual(reload(playlist(5, ['a', 'b', 'c'])), ['segment-removed']);
  assert.deepEqual(reload(playlist(5, ['b', 'c', 'd', 'e'])), Array(4).fill('segment-changed'));
  assert.deepEqual(reload(playlist(7, ['c', 'd'])), ['window-short']);
  assert.deepEqual(reload(playlist(6, ['b', 'c', 'd', 'e'], '#EXT-X-DISCONTINUITY-SEQUENCE:1\n')), [
    'discontinuity-sequence-changed',
  ]);
  assert.deepEqual(reload({ ...before, targetDuration: 3 }), ['target-duration-changed']);
  assert.deepEqual(reload({ ...before, playlistType: 'EVENT' }), ['playlist-type-changed']);
  const event = playlist(5, ['a', 'b', 'c', 'd'], '#EXT-X-PLAYLIST-TYPE:EVENT\n');
  assert.deepEqual(reload(playlist(6, ['b', 'c', 'd'], '#EXT-X-PLAYLIST-TYPE:EVENT\n'), event), [
    'event-removed',
  ]);
  const ended = { ...before, endList: true };
  assert.deepEqual(reload(playlist(5, ['a', 'b', 'c', 'd', 'e']), ended), [
    'end-list-removed',
    'end-list-followed',
  ]);
});

test('a discontinuity that leaves the playlist must be counted; nginx-rtmp does not count it', () => {
  const before = playlist(5, ['!a', 'b', 'c', 'd']);
  const counted = playlist(6, ['b', 'c', 'd'], '#EXT-X-DISCONTINUITY-SEQUENCE:1\n');
  assert.deepEqual(lintReload(before, counted), []);
  const nginx = ['before', 'after'].map(
    (name) => parsePlaylist(capture(`nginx-rtmp-1.2.2/live-${name}.m3u8`)) as MediaPlaylist,
  );
  assert.deepEqual(lintReload(nginx[0]!, nginx[1]!), [
    {
      line: 0,
      rule: 'discontinuity-sequence-changed',
      level: 'must',
      says: 'segment 1 had discontinuity sequence number 1, now 0',
      section: '6.2.2',
    },
  ]);
});

test('anything can be linted; only size throws', () => {
  const line = fc.oneof(
    fc.constantFrom(
      '#EXTM3U',
      '#EXT-X-MEDIA:',
      '#EXT-X-STREAM-INF:A=,',
      '#EXT-X-VERSION',
      '#EXTINF',
      '#EXT-X-SERVER-CONTROL:HOLD-BACK=""',
    ),
    fc.string({ unit: 'binary' }),
    fc.string().map((text) => `#EXT-X-KEY:${text}`),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      for (const { rule, says, section } of lintPlaylist(lines.join('\n')))
        assert.ok(rule && says && section);
    }),
    { numRuns: 500 },
  );
  assert.throws(
    () => lintPlaylist('x'.repeat(100 * 1024 * 1024)),
    (error: unknown) => error instanceof ProtocolError && error.code === ProtocolErrorCode.HlsSize,
  );
});
