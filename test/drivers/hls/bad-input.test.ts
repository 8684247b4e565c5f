import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { encodePmt, type ProgramStream, StreamType } from '../../../protocols/mpegts/psi.ts';
import { scripted } from '../support/observe.ts';
import {
  FRAMES_PER_SEGMENT,
  type Handler,
  makeSegments,
  PLAYED,
  playlist,
  serve,
  serveStream,
  type TestServer,
  Watched,
  whole,
} from './support.ts';

const ONCE = { hls: { maxRetries: 0 } };
const TIMED = { ...ONCE, timeoutMs: 1500 };
const MIB = 2 ** 20;

const text =
  (body: string | Uint8Array): Handler =>
  (_request, response) =>
    void response.end(body);

/** 100 MB as fast as they are taken. */
function flood(line: string, length?: number): Handler {
  return (_request, response) => {
    response.on('error', () => {});
    if (length !== undefined) response.setHeader('Content-Length', length);
    const block = Buffer.from(line.repeat(Math.ceil(65_536 / line.length)));
    let left = 100 * MIB;
    response.write('#EXTM3U\n#EXT-X-TARGETDURATION:1\n');
    const more = (): void => {
      while (left > 0 && !response.destroyed) {
        left -= block.length;
        if (!response.write(block)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  };
}

const BAD_PLAYLISTS: Record<string, { answer: Handler; end: [string, string]; most?: number }> = {
  empty: { answer: text(''), end: ['protocol', 'hls.signature'] },
  'a web page': {
    answer: text('<!doctype html><title>Not Found</title>'),
    end: ['protocol', 'hls.signature'],
  },
  'with bytes that are not UTF-8': {
    answer: text(Buffer.from([0x23, 0x45, 0x58, 0x54, 0x4d, 0x33, 0x55, 0x0a, 0xff, 0xfe, 0x80])),
    end: ['protocol', 'hls.signature'],
  },
  binary: { answer: text(Buffer.alloc(5000, 0x47)), end: ['protocol', 'hls.signature'] },
  'of no kind': { answer: text('#EXTM3U\n'), end: ['protocol', 'hls.kind'] },
  'of both kinds': {
    answer: text('#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n'),
    end: ['protocol', 'hls.kind'],
  },
  'without a target duration': { answer: text('#EXTM3U\n#EXTINF:1,\n0.ts\n'), end: ['protocol', 'hls.tag'] },
  'that names another one as its variant, which names the first': {
    answer: (request, response) => {
      const other = request.url?.endsWith('?b') ? 'bad.m3u8' : 'bad.m3u8?b';
      response.end(`#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n${other}\n`);
    },
    end: ['protocol', 'hls.master.depth'],
  },
  'that names itself as its variant': {
    answer: text('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nbad.m3u8\n'),
    end: ['protocol', 'hls.master.depth'],
  },
  'with a variant that is not HTTP': {
    answer: text('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///etc/passwd\n'),
    end: ['protocol', 'url'],
  },
  'with a variant on another machine': {
    answer: text('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://192.0.2.1/x.m3u8\n'),
    end: ['redirect', 'redirect.remote'],
  },
  'of 100 MB, said before': {
    answer: flood('#EXTINF:1,\n0.ts\n', 100 * MIB),
    end: ['protocol', 'hls.size'],
    most: 1 * MIB,
  },
  'of 100 MB in chunks': {
    answer: flood('#EXTINF:1,\n0.ts\n'),
    end: ['protocol', 'hls.size'],
    most: 2 * MIB,
  },
  'of one line without an end': { answer: flood('#'), end: ['protocol', 'hls.size'], most: 2 * MIB },
  absent: {
    answer: (_request, response) => void response.writeHead(404).end('no'),
    end: ['rejected', 'http.404'],
  },
  'that fails': {
    answer: (_request, response) => void response.writeHead(500).end('no'),
    end: ['rejected', 'http.500'],
  },
  'refused with 100 MB': {
    answer: (request, response) => {
      response.statusCode = 503;
      flood('x')(request, response);
    },
    end: ['rejected', 'http.503'],
    most: 1 * MIB,
  },
  'that never comes': { answer: () => {}, end: ['timeout', 'timeout.playlist'] },
  'that drips': {
    answer: (request, response) => {
      response.write('#EXTM3U\n');
      const drip = setInterval(() => response.write('#\n'), 50);
      request.socket.once('close', () => clearInterval(drip));
    },
    end: ['timeout', 'timeout.playlist'],
  },
  'redirected for ever': {
    answer: (_request, response) => void response.writeHead(302, { Location: 'bad.m3u8' }).end(),
    end: ['redirect', 'redirect.limit'],
  },
  'redirected to another machine': {
    answer: (_request, response) =>
      void response.writeHead(302, { Location: 'http://192.0.2.1/a.m3u8' }).end(),
    end: ['redirect', 'redirect.remote'],
  },
  'of encrypted segments': {
    answer: text(
      playlist(0, 3).replace(
        '#EXTINF',
        '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x00000000000000000000000000000001\n#EXTINF',
      ),
    ),
    end: ['protocol', 'hls.unsupported.key'],
  },
};

/** Beside each bad one a good one, which must not notice. */
async function beside(t: TestContext, server: TestServer): Promise<() => Promise<void>> {
  serveStream(server, 3);
  const good = new Watched(t, `${server.url}/live/x.m3u8`);
  return async () => {
    assert.deepEqual(await good.end(), PLAYED);
    assert.deepEqual(good.frames, whole(3));
    assert.deepEqual(good.problems, []);
  };
}

describe('a playlist', { concurrency: 4 }, () => {
  for (const [name, { answer, end, most }] of Object.entries(BAD_PLAYLISTS)) {
    it(`${name}: a typed end of that player, in bounded memory`, async (t) => {
      const server = await serve(t);
      const good = await beside(t, server);
      server.routes.set('/live/bad.m3u8', answer);
      const bad = new Watched(t, `${server.url}/live/bad.m3u8`, end[0] === 'timeout' ? TIMED : ONCE);
      assert.deepEqual(await bad.end(), end);
      await good();
      if (most !== undefined) assert.ok(bad.player.bytesIn <= most, `${bad.player.bytesIn} bytes`);
      const exchange = bad.exchanges.at(-1)!;
      const said = bad.problems.at(-1);
      if (exchange.error !== undefined) {
        assert.equal(exchange.error, end[1]);
        assert.equal(said, `hls.playlist.${end[1]}`);
      }
    });
  }

  it('that fails for a while is asked for again, so often and no more', async (t) => {
    const server = await serve(t);
    serveStream(server, 2);
    let loads = 0;
    server.routes.set('/live/late.m3u8', (_request, response) => {
      if (++loads < 3) response.writeHead(404).end();
      else response.end(playlist(0, 2));
    });
    const late = new Watched(t, `${server.url}/live/late.m3u8`);
    assert.deepEqual(await late.end(), PLAYED);
    assert.deepEqual(late.problems, ['hls.playlist.http.404', 'hls.playlist.http.404']);
    assert.equal(late.player.retries, 2);
    const never = new Watched(t, `${server.url}/live/never.m3u8`, { hls: { maxRetries: 1 } });
    assert.deepEqual(await never.end(), ['rejected', 'http.404']);
    assert.equal(never.exchanges.length, 2);
  });
});

/** A packet of 188 bytes somewhere after the tables, whose continuity counter is changed. */
function outOfOrder(segment: Buffer): Buffer {
  const copy = Buffer.from(segment);
  const packet = 188 * 40;
  copy[packet + 3] = (copy[packet + 3]! & 0xf0) | (((copy[packet + 3]! & 0x0f) + 5) & 0x0f);
  return copy;
}

/** The PMT is the second packet; its last bytes are filled up, so this breaks its CRC. */
function wrongPmt(segment: Buffer): Buffer {
  const copy = Buffer.from(segment);
  copy[188 + 4 + 1 + 10]! ^= 0x55;
  return copy;
}

/** Another PMT in its place, whole and with its CRC. */
function withPmt(segment: Buffer, streams: readonly ProgramStream[]): Buffer {
  const copy = Buffer.from(segment);
  const [pointer, pmt] = [188 + 4, encodePmt(1, { pcrPid: streams[0]!.pid, streams })];
  copy.fill(0xff, pointer, 2 * 188);
  copy[pointer] = 0;
  copy.set(pmt, pointer + 1);
  return copy;
}

const GAP = 'hls.gap';
const BAD_SEGMENTS: Record<
  string,
  { answer: (segment: Buffer) => Handler; problems: string[]; most?: number }
> = {
  'cut in the middle of a packet': {
    answer: (segment) => text(segment.subarray(0, 188 * 100 + 77)),
    problems: ['mpegts.packet', GAP],
  },
  'without a byte': { answer: () => text(''), problems: ['mpegts.packet', GAP] },
  'that is no transport stream': {
    answer: () => text(Buffer.alloc(5000, 'hello')),
    problems: ['mpegts.packet', GAP],
  },
  'with a wrong continuity counter': {
    answer: (segment) => text(outOfOrder(segment)),
    problems: ['mpegts.continuity'],
  },
  'with a wrong PMT': { answer: (segment) => text(wrongPmt(segment)), problems: ['mpegts.section', GAP] },
  'with a PMT that names other PIDs': {
    answer: (segment) => text(withPmt(segment, [{ pid: 0x200, streamType: StreamType.h264 }])),
    problems: ['mpegts.section', GAP],
  },
  'with a PMT that names its streams as something else': {
    answer: (segment) =>
      text(
        withPmt(segment, [
          { pid: 0x100, streamType: StreamType.hevc },
          { pid: 0x101, streamType: 0x06 },
        ]),
      ),
    problems: ['mpegts.section', GAP],
  },
  'with a PMT that does not name its pictures': {
    answer: (segment) => text(withPmt(segment, [{ pid: 0x101, streamType: StreamType.adts }])),
    problems: ['mpegts.unreferenced'],
  },
  'of tables only': {
    answer: (segment) => text(segment.subarray(0, 2 * 188)),
    problems: ['mpegts.section', GAP],
  },
  'that is the playlist again': { answer: () => text(playlist(0, 3)), problems: ['mpegts.packet', GAP] },
  'that is half-closed in the middle': {
    answer: (segment) => (request, response) => {
      response.writeHead(200, { 'Content-Length': segment.length });
      response.write(segment.subarray(0, 188 * 100), () => request.socket.end());
    },
    problems: ['hls.segment.http1.truncated', GAP],
  },
  'that drips': {
    answer: (segment) => (request, response) => {
      let at = 0;
      const drip = setInterval(() => {
        response.write(segment.subarray(at, at + 188));
        at += 188;
      }, 50);
      request.socket.once('close', () => clearInterval(drip));
    },
    problems: ['hls.segment.timeout.segment', GAP],
  },
  'of another size than said': {
    answer: (segment) => (_request, response) => {
      response.writeHead(200, { 'Content-Length': segment.length + 1000 });
      response.write(segment, () => response.destroy());
    },
    problems: ['hls.segment.http1.truncated', GAP],
  },
  'that is absent': {
    answer: () => (_request, response) => void response.writeHead(404).end(),
    problems: ['hls.segment.missing', GAP],
  },
  'that fails': {
    answer: () => (_request, response) => void response.writeHead(500).end(),
    problems: ['hls.segment.http.500', GAP],
  },
  'that never comes': { answer: () => () => {}, problems: ['hls.segment.timeout.segment', GAP] },
  'on another machine': {
    answer: () => (_request, response) =>
      void response.writeHead(307, { Location: 'http://192.0.2.1/1.ts' }).end(),
    problems: ['hls.segment.redirect.remote', GAP],
  },
  'of 100 MB of no media': {
    answer: () => flood('x'),
    problems: ['mpegts.packet', GAP],
    most: 3 * MIB,
  },
};

describe('a segment', { concurrency: 4 }, () => {
  for (const [name, { answer, problems, most }] of Object.entries(BAD_SEGMENTS)) {
    it(`${name}: counted, and the player goes on with the next one`, async (t) => {
      const server = await serve(t);
      const good = await beside(t, server);
      const segments = makeSegments(3);
      for (const index of [0, 2]) server.body(`/live/b${index}.ts`, segments[index]!);
      server.body('/live/bad.m3u8', playlist(0, 3, { prefix: 'b' }));
      server.routes.set('/live/b1.ts', answer(segments[1]!));
      const timed = problems.includes('hls.segment.timeout.segment');
      const bad = new Watched(t, `${server.url}/live/bad.m3u8`, timed ? TIMED : ONCE);
      assert.deepEqual(await bad.end(8000), PLAYED);
      assert.deepEqual(
        bad.problems.map((code) => code.replace('tcp.econnreset', 'http1.truncated')),
        problems,
      );
      assert.ok(bad.meter.received >= 2 * FRAMES_PER_SEGMENT, `${bad.meter.received} frames`);
      assert.equal(bad.meter.continuity.duplicated, 0);
      if (most !== undefined) assert.ok(bad.player.bytesIn <= most, `${bad.player.bytesIn} bytes`);
      await good();
    });
  }
});

describe('a server', { concurrency: true }, () => {
  const BAD_SERVERS: Record<string, { script: (socket: Socket) => void; end: [string, string] }> = {
    'that closes without an answer': { script: (socket) => socket.end(), end: ['remote', 'http.eof'] },
    'that closes in the middle of the head': {
      script: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Le'),
      end: ['protocol', 'http1.truncated'],
    },
    'that closes in the middle of the body': {
      script: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n#EXTM3U\n'),
      end: ['protocol', 'http1.truncated'],
    },
    'that does not speak HTTP': {
      script: (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n\r\n'),
      end: ['protocol', 'http1.start-line'],
    },
    'that resets': { script: (socket) => socket.resetAndDestroy(), end: ['reset', 'tcp.econnreset'] },
  };
  for (const [name, { script, end }] of Object.entries(BAD_SERVERS)) {
    it(`${name} ends that player with a code`, async (t) => {
      const server = await scripted((socket) => socket.once('data', () => script(socket)));
      t.after(() => server.close());
      const bad = new Watched(t, `http://127.0.0.1:${server.port}/live/x.m3u8`, ONCE);
      assert.deepEqual(await bad.end(), end);
      assert.deepEqual(bad.problems, [`hls.playlist.${end[1]}`]);
    });
  }

  it('that is not there refuses', async (t) => {
    const server = await scripted(() => {});
    await server.close();
    const bad = new Watched(t, `http://127.0.0.1:${server.port}/live/x.m3u8`, ONCE);
    assert.deepEqual(await bad.end(), ['refused', 'tcp.econnrefused']);
  });

  it('that answers more than it was asked does not get its surplus taken for the next answer', async (t) => {
    const segment = makeSegments(1)[0]!;
    const server = await scripted((socket) =>
      socket.on('data', (bytes) => {
        const path = String(bytes).split(' ')[1]!;
        const body = path.endsWith('.ts') ? segment : Buffer.from(playlist(0, 1));
        const head = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(
          Buffer.concat([head, body, Buffer.from('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n')]),
        );
      }),
    );
    t.after(() => server.close());
    const watched = new Watched(t, `http://127.0.0.1:${server.port}/live/x.m3u8`, ONCE);
    assert.deepEqual(await watched.end(), PLAYED);
    assert.deepEqual(watched.frames, whole(1));
  });
});
