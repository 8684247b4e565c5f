import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiClient } from '../../lab/cluster.ts';
import { playlistSeen, readingOf } from '../../scenarios/context.ts';

const edges = new Map([
  ['127.0.0.3', 'edge-1'],
  ['127.0.0.4', 'edge-2'],
]);

function client(changes: Partial<ApiClient>): ApiClient {
  return {
    id: '1',
    ip: '127.0.0.1',
    url: '/live/s',
    name: 's',
    type: 'rtmp-play',
    publish: false,
    ...changes,
  };
}

test('pulls are plays that come from the addresses of edges', () => {
  const reading = readingOf(
    [
      client({ publish: true, type: 'fmle-publish' }),
      client({ publish: true, type: 'flash-publish', ip: '127.0.0.4' }),
      client({ ip: '127.0.0.3' }),
      client({ ip: '127.0.0.3' }),
      client({ ip: '127.0.0.4', type: 'flv-play', url: '/live/s.flv', name: 's.flv' }),
      client({}),
    ],
    'live',
    's',
    edges,
  );
  assert.deepEqual(reading, {
    clients: 6,
    upstreams: 3,
    upstreamsOf: { 'edge-1': 2, 'edge-2': 1 },
    publishers: 2,
  });
});

test('other streams and other apps do not count, parameters do not matter', () => {
  const clients = [
    client({ url: '/live/s2' }),
    client({ url: '/other/s' }),
    client({ url: '/live/s?token=1', ip: '127.0.0.3' }),
  ];
  assert.equal(readingOf(clients, 'live', 's', edges).clients, 1);
  assert.deepEqual(readingOf(clients, 'live', 's', edges).upstreamsOf, { 'edge-1': 1 });
});

test('a playlist is told by its first line, and a master playlist by its variants', () => {
  const seen = (text: string) => playlistSeen('http://x/s.m3u8', 1, new TextEncoder().encode(text));
  assert.equal(seen('<html>#EXTM3U</html>'), undefined);
  assert.equal(seen('#EXTM3U\n#EXTINF:1,\na.ts\n')?.kind, 'media');
  assert.equal(seen('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n')?.kind, 'master');
  assert.equal(seen(`#EXTM3U\n${'x'.repeat(100_000)}`)?.text.length, 64 * 1024);
});
