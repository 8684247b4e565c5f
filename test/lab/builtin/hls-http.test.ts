/** HLS over the node's own HTTP port: headers as SRS sends them, connections that are kept, sessions. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { playlistOf, sendGops } from './hls-support.ts';
import { clientsOf, eventually, RtmpPeer, startNode, stopAll, type TestNode } from './support.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'liveproof-hls-http-'));
const PLAYLIST = /^#EXTM3U\n#EXT-X-VERSION:3\n/;
let plain: TestNode;
let sessions: TestNode;

async function started(folder: string, withSessions: boolean): Promise<TestNode> {
  const node = await startNode({
    hls: { directory: path.join(directory, folder) },
    settings: { hls: { fragmentSeconds: 1, windowSeconds: 1, sessions: withSessions } },
    timeouts: { httpRequest: 1000 },
  });
  const publisher = await RtmpPeer.publisher(node, 'x');
  sendGops(publisher, 4);
  return node;
}

before(async () => {
  plain = await started('plain', false);
  sessions = await started('sessions', true);
  await eventually('segments', async () => ((await playlistOf(plain, 'x'))?.mediaSequence ?? 0) > 0);
});
after(async () => {
  await stopAll();
  rmSync(directory, { recursive: true });
});

/** Everything that comes until the node closes, or until `enough`. */
function exchange(text: string, enough: (got: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(plain.config.httpPort, plain.config.host);
    let got = '';
    const timer = setTimeout(() => reject(new Error(`no end: ${got}`)), 4000);
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(got);
    };
    socket.setEncoding('latin1').on('data', (piece: string) => {
      got += piece;
      if (enough(got)) finish();
    });
    socket.on('error', reject);
    socket.on('close', finish);
    socket.write(text);
  });
}

const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;

describe('headers', () => {
  test('types and lengths; CORS towards who names an origin only', async () => {
    const list = await fetch(`${plain.http}/live/x.m3u8`);
    assert.equal(list.headers.get('content-type'), 'application/vnd.apple.mpegurl');
    assert.equal(list.headers.get('access-control-allow-origin'), null);
    assert.match(await list.text(), PLAYLIST);
    const segment = await fetch(`${plain.http}/live/x-2.ts`, { headers: { Origin: 'http://elsewhere' } });
    assert.equal(segment.headers.get('content-type'), 'video/MP2T');
    assert.equal(segment.headers.get('access-control-allow-origin'), '*');
    assert.equal(Number(segment.headers.get('content-length')), (await segment.arrayBuffer()).byteLength);
  });

  test('HEAD has the length and no body, OPTIONS neither', async () => {
    const head = await exchange('HEAD /live/x.m3u8 HTTP/1.1\r\nConnection: close\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: [1-9]\d*\r\n[\s\S]*\r\n\r\n$/);
    const options = await exchange(
      'OPTIONS /live/x.m3u8 HTTP/1.1\r\nOrigin: http://x\r\nConnection: close\r\n\r\n',
    );
    assert.match(
      options,
      /^HTTP\/1\.1 200 OK\r\n[\s\S]*Access-Control-Allow-Methods: \*\r\n[\s\S]*Content-Length: 0\r\n/,
    );
  });

  test('404 for what is not there, and for paths that climb', async () => {
    const targets = [
      '/live/none.m3u8',
      '/live/x-99.ts',
      '/live/../sessions/live/x.m3u8',
      '/../../../../etc/passwd.ts',
      '/live/%2e%2e/plain/live/x.m3u8',
      '/x.m3u8',
      '/.m3u8',
    ];
    for (const target of targets) {
      const got = await exchange(`GET ${target} HTTP/1.1\r\nConnection: close\r\n\r\n`);
      assert.match(got, /^HTTP\/1\.1 404 /, target);
    }
  });
});

describe('connections', () => {
  const GET = 'GET /live/x.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n';

  test('one connection carries many requests, in pieces and pipelined, then is closed when nothing follows', async () => {
    const got = await exchange(GET.repeat(500) + GET.slice(0, 20));
    assert.equal(count(got, /HTTP\/1\.1 200 OK\r\nConnection: Keep-Alive/g), 500);
  });

  test('HTTP/1.0 and content end the connection after the answer', async () => {
    const old = await exchange(`GET /live/x.m3u8 HTTP/1.0\r\n\r\n${GET}`);
    assert.equal(count(old, /HTTP\/1\.1 200/g), 1);
    assert.match(old, /Connection: Close/);
    const kept = 'GET /live/x.m3u8 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n';
    assert.equal(count(await exchange(kept + GET), /HTTP\/1\.1 200/g), 2);
    const content = await exchange(`GET /live/x.m3u8 HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /${GET}`);
    assert.equal(count(content, /HTTP\/1\.1 200/g), 1);
  });

  test('a malformed request after good ones is answered 400, and HTTP-FLV may follow HLS', async () => {
    const bad = await exchange(`${GET}\x01\x02\r\n\r\n`);
    assert.deepEqual([count(bad, /HTTP\/1\.1 200/g), count(bad, /HTTP\/1\.1 400/g)], [1, 1]);
    const flv = await exchange(`${GET}GET /live/x.flv HTTP/1.1\r\n\r\n`, (got) => got.includes('FLV\u0001'));
    assert.match(flv, /Content-Type: video\/x-flv/);
  });

  test('who asks and does not read is not answered without bound', async () => {
    const socket = connect(plain.config.httpPort, plain.config.host);
    socket.on('error', () => {});
    socket.pause();
    const rss = async (): Promise<number> => {
      const { data } = (await plain.api('/api/v1/summaries')) as { data: { self: { mem_kbyte: number } } };
      return data.self.mem_kbyte;
    };
    const before = await rss();
    const asked = 'GET /live/x-2.ts HTTP/1.1\r\n\r\n'.repeat(500_000);
    socket.write(asked);
    for (let look = 0; look < 20; look++) {
      assert.ok((await rss()) - before < 150_000, '500 000 answers of 14 KB are not kept');
    }
    assert.ok(socket.writableLength > 0, 'the node does not read on');
    socket.destroy();
  });
});

describe('sessions', () => {
  const address = (): string => `${sessions.http}/live/x.m3u8`;
  const players = async (): Promise<Record<string, unknown>[]> =>
    (await clientsOf(sessions)).filter(({ type }) => type === 'hls-play');

  test('a master playlist first, then the media playlist with the session in its URIs; a client in the API', async () => {
    const master = await (await fetch(`${address()}?token=1`)).text();
    const match =
      /^#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,AVERAGE-BANDWIDTH=1\n(\/live\/x\.m3u8\?hls_ctx=([0-9a-z]{8})&token=1)\n$/.exec(
        master,
      );
    assert.ok(match, master);
    const media = await (await fetch(sessions.http + match[1])).text();
    assert.match(media, PLAYLIST);
    assert.ok(media.includes(`x-2.ts?hls_ctx=${match[2]}\n`), media);
    const segment = await fetch(`${sessions.http}/live/x-2.ts?hls_ctx=${match[2]}`);
    const { byteLength } = await segment.arrayBuffer();
    const client = (await players()).find(({ id }) => id === match[2]);
    assert.ok(Number(client?.send_bytes) > byteLength);
    const { url, name, ip, tcUrl, publish } = client!;
    assert.deepEqual(
      [url, name, ip, tcUrl, publish],
      ['/live/x', 'x.m3u8', '127.0.0.1', 'http://127.0.0.1/live', false],
    );
  });

  test('an unknown session gets the master again, under the same id; a kicked one 404', async () => {
    const again = await (await fetch(`${address()}?hls_ctx=abcd1234`)).text();
    assert.match(again, /hls_ctx=abcd1234\n$/);
    assert.match(await (await fetch(`${address()}?hls_ctx=abcd1234`)).text(), PLAYLIST);
    assert.equal((await sessions.api('/api/v1/clients/abcd1234', 'DELETE')).code, 0);
    assert.equal((await fetch(`${address()}?hls_ctx=abcd1234`)).status, 404);
    const publisher = (await clientsOf(sessions)).find(({ publish }) => publish);
    const taken = await (await fetch(`${address()}?hls_ctx=${publisher?.id}`)).text();
    assert.ok(!taken.includes(String(publisher?.id)), 'an id of somebody else is not given');
  });

  test('two windows after its last playlist a session is gone', async () => {
    const asked = await (await fetch(address())).text();
    const id = /hls_ctx=(\w+)/.exec(asked)?.[1];
    assert.ok((await players()).some((client) => client.id === id));
    await eventually('expired', async () => (await players()).every((client) => client.id !== id));
  });
});
