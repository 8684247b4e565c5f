import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { TsWriter } from '../../protocols/mpegts/writer.ts';
import { actors } from '../../scenarios/actors.ts';
import { History } from '../../scenarios/history.ts';

const IDR = Uint8Array.from([
  0,
  0,
  0,
  1,
  9,
  0xf0,
  0,
  0,
  0,
  1,
  0x65,
  0x88,
  0x80,
  ...new Array<number>(300).fill(0x55),
]);

function segment(from: number): Uint8Array {
  const writer = new TsWriter();
  const tables = writer.tables().slice();
  const pictures = [0, 1].map((i) => writer.video(IDR, (from + i) * 3600, (from + i) * 3600, true).slice());
  return Buffer.concat([tables, ...pictures]);
}

const PLAYLIST = `#EXTM3U
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:4
#EXTINF:0.080,
s-4.ts
#EXTINF:0.080,
gone.ts
#EXT-X-ENDLIST
`;

test('a recorded HLS player: exchanges, the playlist as it came, items with their segment, problems', async () => {
  const server = createServer((request, response) => {
    if (request.url === '/live/s.m3u8') response.end(PLAYLIST);
    else if (request.url === '/live/s-4.ts') response.end(segment(0));
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const history = new History();
  const problem = new Promise<void>((resolve) => {
    history.subscribe(({ type }) => type === 'client.problem' && resolve());
  });
  const hand = {
    history,
    signal: new AbortController().signal,
    within: <T>(_: string, __: number, promise: Promise<T>) => promise,
    cleanUp: () => {},
  };
  const player = actors.play(hand, `http://127.0.0.1:${port}/live/s.m3u8`, 'viewer', {
    localAddress: '127.30.2.1',
  });
  await Promise.all([player.frames(2, 5000), problem]);
  await player.stop();
  server.closeAllConnections();
  server.close();

  assert.deepEqual(
    history.of('http.exchange').map(({ client, kind, method, status }) => ({ client, kind, method, status })),
    [
      { client: 'viewer', kind: 'playlist', method: 'GET', status: 200 },
      { client: 'viewer', kind: 'segment', method: 'GET', status: 200 },
      { client: 'viewer', kind: 'segment', method: 'GET', status: 404 },
    ],
  );
  const [playlist] = history.of('hls.playlist');
  assert.deepEqual([playlist?.kind, playlist?.text], ['media', PLAYLIST]);
  assert.deepEqual(
    history.got('viewer').map(({ kind, key, timestamp, segment }) => ({ kind, key, timestamp, segment })),
    [0, 40].map((timestamp) => ({ kind: 'video', key: true, timestamp, segment: 4 })),
  );
  assert.equal(history.of('client.problem')[0]?.client, 'viewer');
});
