import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linkPlaylist, readLink } from '../../../../lab/builtin/proxy/hls-links.ts';

const STREAM = '__defaultVhost__/live/a';
const ID = Buffer.from(STREAM).toString('base64url');

test('every URL of a playlist says its stream, but for those at other hosts', () => {
  const playlist = [
    '#EXTM3U',
    '#EXT-X-MAP:URI="init.mp4",BYTERANGE="10@0"',
    '#EXT-X-KEY:METHOD=AES-128,URI="key?x=1",IV=0x1',
    '#EXTINF:1.000, no desc',
    'a-1.ts?hls_ctx=x\r',
    '#EXTINF:1.000, "URI="',
    '/live/a-2.ts',
    'http://other/a-3.ts',
    '//other/a-4.ts',
    'a.m3u8#t=1',
    '',
  ].join('\n');
  assert.deepEqual(linkPlaylist(playlist, STREAM).split('\n'), [
    '#EXTM3U',
    `#EXT-X-MAP:URI="init.mp4?spbhid=${ID}",BYTERANGE="10@0"`,
    `#EXT-X-KEY:METHOD=AES-128,URI="key?x=1&spbhid=${ID}",IV=0x1`,
    '#EXTINF:1.000, no desc',
    `a-1.ts?hls_ctx=x&spbhid=${ID}\r`,
    '#EXTINF:1.000, "URI="',
    `/live/a-2.ts?spbhid=${ID}`,
    'http://other/a-3.ts',
    '//other/a-4.ts',
    `a.m3u8?spbhid=${ID}#t=1`,
    '',
  ]);
});

test('the origin sees the target as it wrote it', () => {
  for (const [target, bare] of [
    [`/live/a-1.ts?spbhid=${ID}`, '/live/a-1.ts'],
    [`/live/a-1.ts?hls_ctx=x&spbhid=${ID}`, '/live/a-1.ts?hls_ctx=x'],
    [`/live/a-1.ts?spbhid=${ID}&hls_ctx=x`, '/live/a-1.ts?hls_ctx=x'],
    [`/live/a-1.ts?a=1&spbhid=${ID}&b=2`, '/live/a-1.ts?a=1&b=2'],
  ]) {
    assert.deepEqual(readLink(target!), { streamUrl: STREAM, target: bare });
  }
});

test('what is no link is none', () => {
  for (const id of ['', 'abc', Buffer.from('no-slashes').toString('base64url'), 'x'.repeat(5000)]) {
    assert.equal(readLink(`/live/a-1.ts?spbhid=${id}`), undefined);
  }
  assert.equal(readLink(`/live/a-1.ts?myspbhid=${ID}`), undefined);
});

test('whatever the URI, it comes back', () => {
  const uri = fc
    .stringMatching(/^[a-z0-9/._-]{1,20}(\?[a-z0-9=&]{0,20})?$/)
    .filter((one) => !one.startsWith('//'));
  fc.assert(
    fc.property(uri, (given) => {
      const linked = linkPlaylist(given, STREAM);
      const read = readLink(linked);
      assert.equal(read?.streamUrl, STREAM);
      assert.equal(read?.target.replace(/[?&]$/, ''), given.replace(/[?&]$/, ''));
    }),
  );
});
