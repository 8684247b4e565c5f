import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { createPlayer } from '../../../drivers/create.ts';
import { HlsPlayer } from '../../../drivers/hls/player.ts';
import {
  FRAMES_PER_SEGMENT,
  makeSegments,
  PLAYED,
  playlist,
  serve,
  serveStream,
  type TestServer,
  Watched,
  whole,
} from './support.ts';

const QUICK = { timeoutMs: 1000, hls: { maxRetries: 1 } };
const QUICKER = { timeoutMs: 1000, hls: { maxRetries: 0 } };

/** A path that is answered when the test says so. */
function hold(
  server: TestServer,
  path: string,
  body: string | Uint8Array,
): { asked: Promise<void>; answer: () => void } {
  let answer = (): void => {};
  const asked = new Promise<void>((resolve) => {
    server.routes.set(path, (_request, response) => {
      answer = () => void response.end(body);
      resolve();
    });
  });
  return { asked, answer: () => answer() };
}

/** A stream that begins anew at segment 0 once segment 101 has been asked for so often; until then that is answered so. */
async function restart(t: TestContext, asks: number, answer: (response: ServerResponse) => void) {
  const server = await serve(t);
  serveStream(server, 3);
  server.body('/live/100.ts', makeSegments(1)[0]!);
  let loads = 0;
  let asked = 0;
  server.routes.set('/live/101.ts', (_request, response) => {
    asked++;
    answer(response);
  });
  server.routes.set('/live/x.m3u8', (_request, response) => {
    const end = watched.problems.includes('hls.sequence.reset');
    const text = asked < asks ? playlist(100, Math.min(2, ++loads), { end: false }) : playlist(0, 3, { end });
    response.end(text.replace('TARGETDURATION:1', 'TARGETDURATION:0.1'));
  });
  const watched = new Watched(t, `${server.url}/live/x.m3u8`);
  await watched.problem('hls.sequence.reset');
  /** It ends well, with these problems and those of the new beginning. */
  const end = async (others: readonly string[]): Promise<void> => {
    assert.deepEqual(await watched.end(), PLAYED);
    const segments = server.requests.filter((path) => path.endsWith('.ts'));
    assert.deepEqual(
      segments,
      ['100', ...Array(asks).fill('101'), '2'].map((name) => `/live/${name}.ts`),
    );
    const problems = watched.problems.filter((code) => code !== 'hls.stale');
    const expected = [...others, 'hls.sequence.backwards', 'hls.sequence.reset'];
    // A playlist and a segment are under way at the same time.
    assert.deepEqual(problems.toSorted(), expected.toSorted());
    assert.equal(watched.meter.received, 2 * FRAMES_PER_SEGMENT);
  };
  return { end };
}

describe('HLS player', { concurrency: true }, () => {
  it('createPlayer plays http(s)://….m3u8, with or without a query', () => {
    const sink = { begin() {}, data() {}, end() {} };
    for (const url of ['http://127.0.0.1/a/b.m3u8', 'https://127.0.0.1/b.M3U8?token=1'])
      assert.ok(createPlayer(url, sink) instanceof HlsPlayer);
    assert.throws(() => createPlayer('http://127.0.0.1/a.mp4', sink), { code: 'url' });
  });

  it('a stream with an end is played whole, over one kept connection, and the phases are in order', async (t) => {
    const server = await serve(t);
    serveStream(server, 4);
    const watched = new Watched(t, `${server.url}/live/x.m3u8`);
    assert.deepEqual(await watched.end(), PLAYED);
    assert.deepEqual(watched.frames, whole(4));
    assert.deepEqual(server.requests, ['/live/x.m3u8', ...[0, 1, 2, 3].map((n) => `/live/${n}.ts`)]);
    assert.equal(server.connections, 1);
    assert.ok(watched.player.finished);
    assert.deepEqual(watched.problems, []);
    const { started, tcp, handshake, connect, play, firstByte, firstKeyframe, closed } =
      watched.player.timing;
    const phases = [started, tcp, handshake, connect, play, firstByte, firstKeyframe, closed];
    assert.deepEqual(
      phases,
      phases.toSorted((a, b) => a - b),
    );
    assert.deepEqual(watched.states, ['connecting', 'handshaking', 'requesting', 'streaming', 'closed']);
    for (const { sentAt, headAt, firstByteAt, endAt, status, error } of watched.exchanges) {
      assert.ok(sentAt <= headAt && headAt <= firstByteAt && firstByteAt <= endAt);
      assert.deepEqual([status, error], [200, undefined]);
    }
  });

  it('a live stream begins three target durations before its end, or at the edge; pages follow in order', async (t) => {
    const server = await serve(t);
    serveStream(server, 8);
    let loads = 0;
    server.routes.set('/live/x.m3u8', (_request, response) => {
      const last = 6 + ++loads;
      response.end(playlist(0, Math.min(last, 8), { end: last > 8 }));
    });
    const watched = new Watched(t, `${server.url}/live/x.m3u8`);
    assert.deepEqual(await watched.end(6000), PLAYED);
    assert.deepEqual(
      server.requests.filter((path) => path.endsWith('.ts')),
      [4, 5, 6, 7].map((n) => `/live/${n}.ts`),
    );
    loads = 0;
    const before = server.requests.length;
    const edge = new Watched(t, `${server.url}/live/x.m3u8`, { hls: { start: 'live-edge' } });
    await edge.closed(6000);
    assert.deepEqual(
      server.requests.slice(before).filter((path) => path.endsWith('.ts')),
      [6, 7].map((n) => `/live/${n}.ts`),
    );
  });

  it('a playlist is asked for again a target duration after a change and half of one after none', async (t) => {
    const server = await serve(t);
    serveStream(server, 4);
    let loads = 0;
    server.routes.set('/live/x.m3u8', (_request, response) => {
      loads++;
      response.end(playlist(0, loads < 3 ? loads : 2, { end: loads === 4 }));
    });
    const watched = new Watched(t, `${server.url}/live/x.m3u8`);
    assert.deepEqual(await watched.end(8000), PLAYED);
    const sent = watched.exchanges.filter(({ kind }) => kind === 'playlist').map(({ sentAt }) => sentAt);
    // The first request waits for TCP, which counts as loading.
    const tolerance = 20 + watched.player.timing.tcp - watched.player.timing.started;
    const gaps = sent.slice(1).map((at, index) => at - sent[index]!);
    assert.equal(gaps.length, 3);
    for (const [index, least] of [1000, 1000, 500].entries())
      assert.ok(gaps[index]! >= least - tolerance, `${gaps[index]} ms, at least ${least}`);
  });

  it('a variant of a master playlist is chosen; relative URLs, redirects and byte ranges are followed', async (t) => {
    const server = await serve(t);
    const segments = makeSegments(3);
    const file = Buffer.concat(segments);
    server.body(
      '/master.m3u8',
      '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\nlow/x.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=900\n../high/x.m3u8?a=b\n',
    );
    server.routes.set('/high/x.m3u8', (_request, response) => {
      response.writeHead(302, { Location: '/moved/y.m3u8', 'Content-Length': 4 }).end('gone');
    });
    const ranges = segments.map((segment) => `#EXTINF:1,\n#EXT-X-BYTERANGE:${segment.length}\nall.ts\n`);
    const head = '#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:1\n';
    const first = ranges[0]!.replace(/(BYTERANGE:\d+)/, '$1@0');
    server.body('/moved/y.m3u8', `${head}${first}${ranges.slice(1).join('')}#EXT-X-ENDLIST\n`);
    let ignored = 0;
    server.routes.set('/moved/all.ts', (request, response) => {
      const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '')!.map(Number);
      // A server may ignore the range.
      if (ignored++ === 1) response.end(file);
      else {
        const range = `bytes ${from}-${to}/${file.length}`;
        response.writeHead(206, { 'Content-Range': range }).end(file.subarray(from, to! + 1));
      }
    });
    const watched = new Watched(t, `${server.url}/master.m3u8`, { hls: { variant: 'highest' } });
    assert.deepEqual(await watched.end(), PLAYED);
    assert.deepEqual(watched.frames, whole(3));
    assert.deepEqual(watched.redirects, [`${server.url}/moved/y.m3u8`]);
    assert.ok(server.requests.includes('/high/x.m3u8?a=b'));
    assert.deepEqual(
      watched.playlists.map(({ kind }) => kind),
      ['master', 'media'],
    );
  });

  it('what a server that ignores ranges sends behind one is not taken for the next one', async (t) => {
    const server = await serve(t);
    const segments = makeSegments(4);
    const file = Buffer.concat(segments);
    const ranges = segments.map((segment) => `#EXTINF:1,\n#EXT-X-BYTERANGE:${segment.length}\nall.ts\n`);
    const head = '#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:1\n';
    const first = ranges[0]!.replace(/(BYTERANGE:\d+)/, '$1@0');
    const text = `${head}${first}${ranges.slice(1).join('')}#EXT-X-ENDLIST\n`;
    server.routes.set('/x.m3u8', (_request, response) => {
      response.writeHead(200, { Connection: 'close' }).end(text);
    });
    server.routes.set('/all.ts', (_request, response) => {
      response.on('error', () => {});
      response.writeHead(200, { Connection: 'close' });
      // Many chunks in one read.
      for (let at = 0; at < file.length; at += 1000) response.write(file.subarray(at, at + 1000));
      response.end();
    });
    const watched = new Watched(t, `${server.url}/x.m3u8`);
    assert.deepEqual(await watched.end(), PLAYED);
    assert.deepEqual(watched.problems, []);
    assert.deepEqual(watched.frames, whole(4));
  });

  it("SRS's session: followed, and followed again when the server has forgotten it", async (t) => {
    const server = await serve(t);
    serveStream(server, 6);
    const known = new Set<string>();
    let loads = 0;
    let sessions = 0;
    server.routes.set('/live/x.m3u8', (request, response) => {
      const session = /hls_ctx=(\w+)/.exec(request.url!)?.[1];
      if (session === undefined || !known.has(session)) {
        const id = session ?? `s${++sessions}`;
        known.add(id);
        response.end(
          `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,AVERAGE-BANDWIDTH=1\n/live/x.m3u8?hls_ctx=${id}\n`,
        );
        return;
      }
      // The server restarts after the second load.
      if (++loads === 2) known.clear();
      response.end(playlist(0, 3 + loads, { end: loads === 3 }));
    });
    const watched = new Watched(t, `${server.url}/live/x.m3u8`);
    assert.deepEqual(await watched.end(8000), PLAYED);
    assert.deepEqual(watched.problems, ['hls.session.lost']);
    assert.equal(sessions, 1);
    assert.deepEqual(
      watched.playlists.map(({ kind }) => kind),
      ['master', 'media', 'media', 'master', 'media'],
    );
    assert.equal(watched.meter.continuity.missing, 0);
  });

  it('a segment that breaks off is asked for again and goes on where it ended', async (t) => {
    const server = await serve(t);
    const segments = serveStream(server, 3);
    let asked = 0;
    server.routes.set('/live/1.ts', (_request, response) => {
      const body = segments[1]!;
      response.writeHead(200, { 'Content-Length': body.length });
      if (++asked === 1) response.write(body.subarray(0, 20_001), () => response.destroy());
      else response.end(body);
    });
    const watched = new Watched(t, `${server.url}/live/x.m3u8`);
    assert.deepEqual(await watched.end(), PLAYED);
    assert.deepEqual(watched.frames, whole(3));
    assert.equal(watched.problems.length, 1);
    assert.match(watched.problems[0]!, /^hls\.segment\.(http1\.truncated|tcp\.econnreset)$/);
    assert.equal(watched.player.retries, 1);
  });

  it('a missing segment is counted, skipped, and the next ones are played', async (t) => {
    const server = await serve(t);
    serveStream(server, 4);
    server.routes.delete('/live/1.ts');
    const watched = new Watched(t, `${server.url}/live/x.m3u8`, QUICK);
    assert.deepEqual(await watched.end(), PLAYED);
    assert.deepEqual(watched.problems, ['hls.segment.missing', 'hls.segment.missing', 'hls.gap']);
    assert.deepEqual(watched.frames, { ...whole(3), missing: FRAMES_PER_SEGMENT });
  });

  it('a sequence that goes backwards, segments that left the window, EXT-X-GAP, another URI: each has its code', async (t) => {
    const server = await serve(t);
    serveStream(server, 9);
    const answers = [
      playlist(2, 3, { end: false }),
      playlist(1, 3, { end: false }),
      playlist(7, 2, { end: false }),
      playlist(7, 2, { end: false }).replace('8.ts', 'other-8.ts'),
      playlist(7, 2).replace('8.ts', 'other-8.ts'),
    ];
    server.routes.set('/live/x.m3u8', (_request, response) => void response.end(answers.shift() ?? ''));
    const watched = new Watched(t, `${server.url}/live/x.m3u8`, QUICK);
    assert.deepEqual(await watched.end(9000), PLAYED);
    assert.deepEqual(watched.problems, ['hls.sequence.backwards', 'hls.gap', 'hls.segment.changed']);

    server.body(
      '/live/gap.m3u8',
      playlist(0, 2).replace('#EXTINF:1.000,\n1.ts', '#EXT-X-GAP\n#EXTINF:1.000,\n1.ts'),
    );
    const gap = new Watched(t, `${server.url}/live/gap.m3u8`, QUICK);
    assert.deepEqual(await gap.end(), PLAYED);
    assert.deepEqual(gap.problems, ['hls.gap']);
  });

  it('a playlist that stands still is stale after 1.5 target durations, and that is said once', async (t) => {
    const server = await serve(t);
    serveStream(server, 3);
    let loads = 0;
    server.routes.set('/live/x.m3u8', (_request, response) => {
      response.end(playlist(0, 3, { end: ++loads === 7 }));
    });
    const watched = new Watched(t, `${server.url}/live/x.m3u8`);
    assert.deepEqual(await watched.end(9000), PLAYED);
    assert.deepEqual(watched.problems, ['hls.stale']);
  });

  it('a stream that began anew is played at once, though a segment of before was to be asked for again', async (t) => {
    const { end } = await restart(t, 3, (response) => response.writeHead(404).end());
    await end(Array(3).fill('hls.segment.missing'));
  });

  it('a stream that began anew is played at once, though a segment of before is still on its way', async (t) => {
    let finish = (): void => {};
    const { end } = await restart(t, 1, (response) => {
      response.on('error', () => {});
      response.flushHeaders();
      finish = () => response.end(makeSegments(1)[0]);
    });
    finish();
    await end([]);
  });

  it('CMCD goes along in headers or in the query, as asked', async (t) => {
    const server = await serve(t);
    serveStream(server, 1);
    const seen: string[] = [];
    const segment = makeSegments(1)[0]!;
    server.routes.set('/live/0.ts', (request, response) => {
      const { headers } = request;
      seen.push([headers['cmcd-object'], headers['cmcd-request'], headers['cmcd-session']].join(' | '));
      response.end(segment);
    });
    const headers = new Watched(t, `${server.url}/live/x.m3u8`, { hls: { cmcd: 'headers' } });
    await headers.end();
    assert.match(seen[0]!, /^d=1000,ot=av \| bl=0,su \| sf=h,sid="[0-9a-f-]{36}",st=v$/);
    const query = new Watched(t, `${server.url}/live/x.m3u8?a=b`, { hls: { cmcd: 'query' } });
    await query.end();
    const asked = server.requests.slice(-2).map(decodeURIComponent);
    assert.match(asked[0]!, /^\/live\/x\.m3u8\?a=b&CMCD=ot=m,sf=h,sid="[0-9a-f-]{36}"$/);
    assert.match(asked[1]!, /^\/live\/0\.ts\?CMCD=bl=0,d=1000,ot=av,sf=h,sid="[0-9a-f-]{36}",st=v,su$/);
  });

  it('a connection that the server closed meanwhile is opened again, and nothing is lost', async (t) => {
    const server = await serve(t);
    serveStream(server, 3);
    let loads = 0;
    server.routes.set('/live/x.m3u8', (request, response) => {
      loads++;
      // Closed without having said so.
      if (loads === 1) setTimeout(() => request.socket.end(), 200);
      response.end(playlist(0, loads, { end: loads === 2 }));
    });
    const watched = new Watched(t, `${server.url}/live/x.m3u8`);
    assert.deepEqual(await watched.end(), PLAYED);
    assert.deepEqual(watched.problems, []);
    assert.equal(server.connections, 2);
  });

  it('who pauses is not timed out, and who resumes goes on', async (t) => {
    const server = await serve(t);
    serveStream(server, 3);
    const held = hold(server, '/live/x.m3u8', playlist(0, 3));
    const watched = new Watched(t, `${server.url}/live/x.m3u8`, QUICKER);
    await held.asked;
    watched.player.pause();
    held.answer();
    // Who comes later, and is not answered, is timed out: by then the time of the first one would be over, too.
    hold(server, '/live/silent.m3u8', '');
    const { reason } = await new Watched(t, `${server.url}/live/silent.m3u8`, QUICKER).closed();
    assert.equal(reason, 'timeout');
    assert.deepEqual([watched.player.bytesIn, watched.ends, watched.problems], [0, [], []]);
    watched.player.resume();
    assert.deepEqual(await watched.end(), PLAYED);
    assert.deepEqual(watched.frames, whole(3));
  });

  it('who pauses in a segment reads no more of it until it resumes', async (t) => {
    const server = await serve(t);
    const segments = serveStream(server, 3);
    server.body('/live/y.m3u8', playlist(2, 1));
    const held = hold(server, '/live/1.ts', segments[1]!);
    const watched = new Watched(t, `${server.url}/live/x.m3u8`);
    await held.asked;
    watched.player.pause();
    held.answer();
    const before = watched.player.bytesIn;
    // Who comes later reads all of its own meanwhile.
    assert.deepEqual(await new Watched(t, `${server.url}/live/y.m3u8`).end(), PLAYED);
    assert.equal(watched.player.bytesIn, before);
    watched.player.resume();
    assert.deepEqual(await watched.end(), PLAYED);
    assert.deepEqual(watched.frames, whole(3));
  });
});
