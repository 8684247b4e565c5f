import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Client, type ClientOptions, ClientState, CloseReason } from '../../drivers/client.ts';
import { createPlayer, createPublisher } from '../../drivers/create.ts';
import { ProtocolError } from '../../protocols/errors.ts';
import { flvHeader } from '../../protocols/flv/writer.ts';
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import { connectRedirectCommand, encodeCommand } from '../../protocols/rtmp/commands.ts';
import { CountingSink, eventually, type Scripted, scripted, Witness, within } from './support/observe.ts';

const NGINX_PLAY = readFileSync('fixtures/captures/nginx-rtmp-1.2.2/ffmpeg-play.s2c.bin');
const SRS_PLAY = readFileSync('fixtures/captures/srs-7.0.18/ffmpeg-play.s2c.bin');
const SRS_FLV = readFileSync('fixtures/captures/srs-7.0.18/http-flv.s2c.bin');
const SRS_302 = readFileSync('fixtures/captures/srs-5.0.213/ffmpeg-play-302.s2c.bin');
const S0S1S2 = NGINX_PLAY.subarray(0, 1 + 2 * 1536);

async function serve(
  t: TestContext,
  script: (socket: Socket, connection: number) => void,
): Promise<Scripted> {
  const server = await scripted(script);
  t.after(() => server.close());
  return server;
}

const rtmp = (server: Scripted): string => `rtmp://127.0.0.1:${server.port}/live/x`;
const flv = (server: Scripted): string => `http://127.0.0.1:${server.port}/live/x.flv`;

/** The recorded redirect of SRS 5, towards another port of as many digits. */
function redirectTo(port: number): Buffer {
  assert.equal(String(port).length, 5);
  return Buffer.from(SRS_302.toString('latin1').replaceAll(':19351/', `:${port}/`), 'latin1');
}

/** Handshake, then Adobe's refusal of connect. */
function adobeRedirect(location: string): Buffer {
  const refusal = encodeCommand(connectRedirectCommand(1, location));
  return Buffer.concat([S0S1S2, new ChunkWriter().encode(3, 20, 0, 0, refusal)]);
}

function afterFirstBytes(socket: Socket, then: () => void): void {
  socket.once('data', then);
}

test('recorded bytes of SRS and nginx-rtmp are played', async (t) => {
  for (const bytes of [SRS_PLAY, NGINX_PLAY]) {
    const server = await serve(t, (socket) => afterFirstBytes(socket, () => socket.end(bytes)));
    const [sink, witness] = [new CountingSink(), new Witness()];
    const player = createPlayer(rtmp(server), sink, {}, witness);
    player.open();
    const closed = await witness.closed();
    assert.deepEqual(
      [closed.reason, closed.code, closed.during],
      [CloseReason.remote, 'eof.streaming', 'streaming'],
    );
    assert.ok(sink.counts[9] > 20 && sink.counts[8] > 20 && sink.counts[18] > 0, JSON.stringify(sink.counts));
    assert.equal(player.bytesIn, bytes.length);
    const { started, tcp, handshake, connect, play, firstByte, firstKeyframe } = player.timing;
    const phases = [started, tcp, handshake, connect, play, firstByte, firstKeyframe, player.timing.closed];
    assert.deepEqual(
      phases,
      phases.toSorted((a, b) => a - b),
    );
    assert.ok(phases.every((at) => Math.abs(at - Date.now()) < 5000));
    assert.deepEqual(witness.states, ['connecting', 'handshaking', 'requesting', 'streaming', 'closed']);
  }
});

test('recorded chunked HTTP-FLV of SRS is played', async (t) => {
  const server = await serve(t, (socket) => afterFirstBytes(socket, () => socket.end(SRS_FLV)));
  const [sink, witness] = [new CountingSink(), new Witness()];
  createPlayer(flv(server), sink, {}, witness).open();
  const closed = await witness.closed();
  // The recording was cut in the middle of a chunk.
  assert.deepEqual([closed.reason, closed.code], [CloseReason.protocol, 'http1.truncated']);
  assert.ok(sink.counts[9] > 20 && sink.counts[8] > 20 && sink.counts[18] === 1, JSON.stringify(sink.counts));
});

test('a 302 of SRS, sent after Play.Start, is followed', async (t) => {
  const target = await serve(t, (socket) => afterFirstBytes(socket, () => socket.write(SRS_PLAY)));
  const first = await serve(t, (socket) =>
    afterFirstBytes(socket, () => socket.write(redirectTo(target.port))),
  );
  const [sink, witness] = [new CountingSink(), new Witness()];
  const player = createPlayer(rtmp(first), sink, {}, witness);
  player.open();
  await sink.videoFrames(10);
  assert.deepEqual(witness.redirects, [`rtmp://127.0.0.1:${target.port}/live/x`]);
  player.close();
  assert.equal(witness.ends.length, 1);
});

test("Adobe's 302, which names the application only, is followed with the stream of the first URL", async (t) => {
  let requests = '';
  let asked = (): void => {};
  const played = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const target = await serve(t, (socket) => {
    afterFirstBytes(socket, () => socket.write(SRS_PLAY));
    socket.on('data', (bytes) => {
      requests += bytes.toString('latin1');
      if (/play.*x\?token=1/s.test(requests)) asked();
    });
  });
  const location = `rtmp://127.0.0.1:${target.port}/live`;
  const first = await serve(t, (socket) =>
    afterFirstBytes(socket, () => socket.write(adobeRedirect(location))),
  );
  const [sink, witness] = [new CountingSink(), new Witness()];
  const player = createPlayer(`rtmp://127.0.0.1:${first.port}/live/x?token=1`, sink, {}, witness);
  player.open();
  await sink.videoFrames(10);
  await within(3000, 'play with the stream and its parameters', played);
  player.close();
  assert.deepEqual(witness.redirects, [`${location}/x?token=1`]);
});

for (const status of [301, 302, 303, 307, 308]) {
  test(`HTTP ${status} is followed, also to a relative Location`, async (t) => {
    const server = await serve(t, (socket) =>
      socket.once('data', (bytes) => {
        const moved = bytes.toString().startsWith('GET /live/x.flv');
        const head = `HTTP/1.1 ${status} Moved\r\nLocation: ../other/y.flv?a=1\r\nContent-Length: 2\r\n\r\nxx`;
        if (moved) socket.end(head);
        else if (bytes.toString().startsWith('GET /other/y.flv?a=1 ')) socket.write(SRS_FLV);
      }),
    );
    const [sink, witness] = [new CountingSink(), new Witness()];
    const player = createPlayer(flv(server), sink, {}, witness);
    player.open();
    await sink.videoFrames(10);
    player.close();
    assert.deepEqual(witness.redirects, [`http://127.0.0.1:${server.port}/other/y.flv?a=1`]);
  });
}

test('redirects in a circle end at the limit', async (t) => {
  const loop: Scripted = await serve(t, (socket) =>
    afterFirstBytes(socket, () => socket.write(redirectTo(loop.port))),
  );
  const witness = new Witness();
  createPlayer(rtmp(loop), new CountingSink(), { maxRedirects: 2 }, witness).open();
  const closed = await witness.closed();
  assert.deepEqual([closed.reason, closed.code], [CloseReason.redirect, 'redirect.limit']);
  assert.equal(witness.redirects.length, 2);
  assert.equal(loop.connections, 3);

  const http: Scripted = await serve(t, (socket) =>
    afterFirstBytes(socket, () =>
      socket.end('HTTP/1.1 302 Found\r\nLocation: x.flv\r\nContent-Length: 0\r\n\r\n'),
    ),
  );
  const second = new Witness();
  createPlayer(flv(http), new CountingSink(), {}, second).open();
  assert.equal((await second.closed()).code, 'redirect.limit');
  assert.equal(http.connections, 4);
});

test('a redirect from loopback to another machine is not followed', async (t) => {
  const server = await scripted((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/x.flv\r\n\r\n'));
  });
  t.after(() => server.close());
  const witness = new Witness();
  createPlayer(`http://127.0.0.1:${server.port}/x.flv`, new CountingSink(), {}, witness).open();
  const closed = await witness.closed();
  assert.deepEqual([closed.reason, closed.code], [CloseReason.redirect, 'redirect.remote']);
  assert.equal(server.connections, 1);
});

test('a redirect to nowhere ends as a redirect', async (t) => {
  const server = await serve(t, (socket) =>
    afterFirstBytes(socket, () => socket.write(adobeRedirect('ftp://h/live'))),
  );
  const witness = new Witness();
  createPlayer(rtmp(server), new CountingSink(), {}, witness).open();
  const closed = await witness.closed();
  assert.deepEqual([closed.reason, closed.code], [CloseReason.redirect, 'redirect.location']);
});

test('close is idempotent in every state, and the observer hears of it once', async (t) => {
  const server = await serve(t, (socket) => afterFirstBytes(socket, () => socket.write(SRS_PLAY)));
  for (const state of [
    ClientState.connecting,
    ClientState.handshaking,
    ClientState.requesting,
    ClientState.streaming,
  ]) {
    const witness = new Witness();
    const player = createPlayer(rtmp(server), new CountingSink(), {}, witness);
    player.open();
    await witness.reached(state);
    player.close();
    player.close();
    assert.deepEqual(witness.ends, [
      {
        reason: CloseReason.local,
        during: player.closed?.during,
        code: 'local',
        detail: 'close() was called',
      },
    ]);
    assert.equal(player.state, ClientState.closed);
  }
  const unopened = createPlayer(rtmp(server), new CountingSink());
  unopened.close();
  unopened.open();
  assert.equal(unopened.state, ClientState.closed);
});

test('close from inside an observer is final', async (t) => {
  const server = await serve(t, (socket) => afterFirstBytes(socket, () => socket.write(SRS_PLAY)));
  for (const state of [
    ClientState.connecting,
    ClientState.handshaking,
    ClientState.requesting,
    ClientState.streaming,
  ]) {
    const sink = new CountingSink();
    const ended = new Promise<void>((resolve) => {
      const observer = {
        onState: (client: Client, now: string): void => {
          if (now === state) client.close();
        },
        onClosed: (): void => resolve(),
      };
      createPlayer(rtmp(server), sink, {}, observer).open();
    });
    await ended;
    assert.equal(sink.counts[9], 0);
  }
});

interface Stage {
  readonly state: ClientState;
  /** What the server says before it falls silent. */
  readonly said: Uint8Array;
}

const RTMP_STAGES: Stage[] = [
  { state: ClientState.handshaking, said: S0S1S2.subarray(0, 2000) },
  { state: ClientState.requesting, said: S0S1S2 },
];
const FLV_STAGES: Stage[] = [{ state: ClientState.requesting, said: SRS_FLV.subarray(0, 40) }];

for (const [name, make, stages] of [
  [
    'RTMP player',
    (s: Scripted, w: Witness, options: ClientOptions = {}) =>
      createPlayer(rtmp(s), new CountingSink(), options, w),
    RTMP_STAGES,
  ],
  [
    'RTMP publisher',
    (s: Scripted, w: Witness, options: ClientOptions = {}) => createPublisher(rtmp(s), options, w),
    RTMP_STAGES,
  ],
  [
    'FLV player',
    (s: Scripted, w: Witness, options: ClientOptions = {}) =>
      createPlayer(flv(s), new CountingSink(), options, w),
    FLV_STAGES,
  ],
] as const) {
  for (const { state, said } of stages) {
    test(`${name}: a server that falls silent while ${state} is a timeout`, async (t) => {
      const server = await serve(t, (socket) => afterFirstBytes(socket, () => socket.write(said)));
      const witness = new Witness();
      make(server, witness, { timeoutMs: 1000 }).open();
      const closed = await witness.closed(5000);
      assert.deepEqual(
        [closed.reason, closed.during, closed.code],
        [CloseReason.timeout, state, `timeout.${state}`],
      );
    });
    test(`${name}: a reset while ${state} is told with its stage`, async (t) => {
      const server = await serve(t, (socket) =>
        afterFirstBytes(socket, async () => {
          socket.write(said);
          await eventually(2000, 'all of it is read', () => client.bytesIn === said.length);
          socket.resetAndDestroy();
        }),
      );
      const witness = new Witness();
      const client = make(server, witness);
      client.open();
      const closed = await witness.closed();
      assert.deepEqual([closed.reason, closed.during], [CloseReason.reset, state]);
      assert.equal(closed.code, `tcp.econnreset.${state}`);
    });
    test(`${name}: an orderly end while ${state} is told with its stage`, async (t) => {
      const server = await serve(t, (socket) => afterFirstBytes(socket, () => socket.end(said)));
      const witness = new Witness();
      make(server, witness).open();
      const closed = await witness.closed();
      assert.deepEqual(
        [closed.reason, closed.during, closed.code],
        [CloseReason.remote, state, `eof.${state}`],
      );
    });
  }
}

test('a reset while streaming', async (t) => {
  const server = await serve(t, (socket) => afterFirstBytes(socket, () => socket.write(SRS_PLAY)));
  const resetting = await serve(t, (socket) =>
    afterFirstBytes(socket, async () => {
      socket.write(SRS_PLAY);
      await eventually(2000, 'all of it is read', () => player.bytesIn === SRS_PLAY.length);
      socket.resetAndDestroy();
    }),
  );
  const witness = new Witness();
  const player = createPlayer(rtmp(resetting), new CountingSink(), {}, witness);
  player.open();
  assert.equal((await witness.closed()).code, 'tcp.econnreset.streaming');
  assert.equal(server.connections, 0);
});

test('a port that nobody listens on is refused', async () => {
  const gone = await scripted(() => {});
  await gone.close();
  for (const url of [rtmp(gone), flv(gone)]) {
    const witness = new Witness();
    createPlayer(url, new CountingSink(), {}, witness).open();
    const closed = await witness.closed();
    assert.deepEqual([closed.reason, closed.during], [CloseReason.refused, ClientState.connecting]);
    assert.equal(closed.code, 'tcp.econnrefused');
  }
});

test('a frozen server is a timeout, of connecting once its queue is full', async (t) => {
  const program = `require('net').createServer().listen({port: 0, host: '127.0.0.1', backlog: 1}, function () {
    process.stdout.write(this.address().port + '\\n'); })`;
  const frozen = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => frozen.kill('SIGKILL'));
  const [port] = await once(frozen.stdout, 'data');
  frozen.kill('SIGSTOP');
  const witnesses = Array.from({ length: 6 }, () => new Witness());
  for (const witness of witnesses) {
    const url = `rtmp://127.0.0.1:${Number(port)}/live/x`;
    createPlayer(url, new CountingSink(), { timeoutMs: 1000 }, witness).open();
  }
  const ends = await Promise.all(witnesses.map((witness) => witness.closed(5000)));
  assert.ok(ends.every((closed) => closed.reason === CloseReason.timeout));
  assert.deepEqual(
    new Set(ends.map((closed) => closed.code)),
    new Set(['timeout.handshaking', 'timeout.connecting']),
  );
});

test('a server that refuses says why', async (t) => {
  for (const [head, code] of [
    ['HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', 'http.404'],
    ['HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n', 'http.503'],
  ] as const) {
    const server = await serve(t, (socket) => afterFirstBytes(socket, () => socket.write(head)));
    const witness = new Witness();
    createPlayer(flv(server), new CountingSink(), {}, witness).open();
    const closed = await witness.closed();
    assert.deepEqual([closed.reason, closed.code], [CloseReason.rejected, code]);
  }
});

test('malformed bytes close the client with the code of the parser', async (t) => {
  const wrong: [string, (server: Scripted) => string, Uint8Array][] = [
    ['rtmp.handshake.version', rtmp, new Uint8Array(4000).fill(6)],
    ['rtmp.chunk.header', rtmp, Buffer.concat([S0S1S2, Uint8Array.of(0xc3, 1, 2, 3)])],
    ['http1.start-line', flv, Buffer.from('SSH-2.0-OpenSSH_9.2\r\n\r\n')],
    ['flv.signature', flv, Buffer.from('HTTP/1.1 200 OK\r\n\r\n<html>')],
    [
      'flv.tag',
      flv,
      Buffer.concat([
        Buffer.from('HTTP/1.1 200 OK\r\n\r\n'),
        flvHeader({ audio: true, video: true }),
        new Uint8Array(11),
      ]),
    ],
  ];
  for (const [code, url, bytes] of wrong) {
    const server = await serve(t, (socket) => afterFirstBytes(socket, () => socket.write(bytes)));
    const witness = new Witness();
    createPlayer(url(server), new CountingSink(), {}, witness).open();
    const closed = await witness.closed();
    assert.deepEqual([closed.reason, closed.code], [CloseReason.protocol, code]);
  }
});

test('URLs that cannot be played or published to are refused before anything happens', () => {
  const sink = new CountingSink();
  for (const url of ['ftp://h/a.flv', 'http://h/a.mpd', 'live/x', '']) {
    assert.throws(
      () => createPlayer(url, sink),
      (error) => error instanceof ProtocolError && error.code === 'url',
    );
    assert.throws(
      () => createPublisher(url),
      (error) => error instanceof ProtocolError && error.code === 'url',
    );
  }
});
