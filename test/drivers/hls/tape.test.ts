import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireTape } from '../../../scenarios/wire-tape.ts';
import { PLAYED, playlist, serve, serveStream, Watched } from './support.ts';

test('a tape has requests, heads of answers, playlists as text and segments in hex', async (t) => {
  const server = await serve(t);
  serveStream(server, 4);
  server.routes.set('/live/x.m3u8', (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/vnd.apple.mpegurl' }).end(playlist(0, 4));
  });
  const url = `${server.url}/live/x.m3u8?token=hidden`;
  const tape = new WireTape(url);
  const watched = new Watched(t, url, { tape });
  assert.deepEqual(await watched.end(), PLAYED);
  const text = tape.describe();
  assert.match(text, /^-- requests: 5; times since the first of them\n-- request 1, 0\.0 ms: \d+ bytes\n/);
  assert.match(text, / {3}GET \/live\/x\.m3u8\?token=\*\*\* HTTP\/1\.1\n {3}Host: 127\.0\.0\.1:\d+\n/);
  assert.match(text, /-- answer 1, \d+\.\d ms: \d+ bytes\n {3}HTTP\/1\.1 200 OK\n {3}Content-Type: /);
  assert.match(text, /\n {3}#EXTM3U\n {3}#EXT-X-VERSION:3\n/);
  assert.match(text, /-- request 5, \d+\.\d ms: \d+ bytes\n {3}GET \/live\/3\.ts HTTP\/1\.1\n/);
  // The sync byte of MPEG-TS.
  assert.match(text, /-- answer 5, [\s\S]*\n[0-9a-f]{8} {2}47 40 /);
  assert.doesNotMatch(text, /hidden|68 69 64 64 65 6e/);
});

test('a request without an answer is on the tape, too', async (t) => {
  const server = await serve(t);
  const tape = new WireTape(server.url);
  server.routes.set('/live/x.m3u8', (request) => request.socket.destroy());
  const watched = new Watched(t, `${server.url}/live/x.m3u8`, { tape, hls: { maxRetries: 0 } });
  assert.deepEqual(await watched.end(), ['remote', 'http.eof']);
  assert.match(tape.describe(), /GET \/live\/x\.m3u8 HTTP\/1\.1\n[\s\S]*\n-- no answer$/);
});
