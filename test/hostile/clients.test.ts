/**
 * Clients that mean harm to a builtin origin: whatever they do, a publisher and a player beside them are served, they are
 * forgotten, and the node has not grown. What is elsewhere: malformed bytes, 400, 431 and 404, who stalls in the handshake, in a
 * head or as a publisher in test/lab/builtin/origin.test.ts; who does not read in player.test.ts and hls-http.test.ts; SRT in
 * srt-fuzz.test.ts and test/protocols/srt/fuzz.test.ts.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { readProcess } from '../../lab/runners/proc.ts';
import {
  clientsOf,
  eventually,
  publishForever,
  RtmpPeer,
  startNode,
  stopAll,
  type TestNode,
} from '../lab/builtin/support.ts';

const MIB = 2 ** 20;
const TIMEOUTS = { handshake: 600, publishFirst: 700, publishSilence: 500, httpRequest: 400 };
const MOST_GROWTH_MB = 96;
const SILENT = 400;

describe('hostile clients', () => {
  let node: TestNode;
  let player: RtmpPeer;
  let rssBefore: number;

  before(async () => {
    node = await startNode({ timeouts: TIMEOUTS });
    await publishForever(node, 'good');
    player = await RtmpPeer.player(node, 'good');
    await frames(25);
    rssBefore = readProcess(node.process.pid!)!.rssMb;
  });
  after(stopAll);

  function frames(count: number): Promise<void> {
    const wanted = player.videoTimes.length + count;
    return player.until(`${count} frames beside`, () => player.videoTimes.length >= wanted, 8000);
  }

  function dial(port: number): Socket {
    const socket = connect({ host: node.config.host, port, allowHalfOpen: true });
    socket.on('error', () => {});
    socket.resume();
    return socket;
  }

  /** The node has closed it, orderly or not. */
  async function ended(socket: Socket): Promise<void> {
    await new Promise<void>((resolve) => {
      if (socket.destroyed || socket.readableEnded) resolve();
      for (const event of ['end', 'close']) socket.once(event, resolve);
    });
    socket.destroy();
  }

  /** The publisher and the player beside, and nobody else. */
  async function onlyTheGood(): Promise<void> {
    await eventually('the others are forgotten', async () => (await clientsOf(node)).length === 2, 8000);
    await frames(5);
  }

  function dripping(socket: Socket, bytes: Uint8Array): void {
    let at = 0;
    const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 50);
    for (const event of ['close', 'end']) socket.once(event, () => clearInterval(timer));
  }

  it('one byte at a time: a head, a handshake, an API request', async () => {
    const head = Buffer.from(`GET /live/good.flv HTTP/1.1\r\nX: ${'a'.repeat(2000)}`);
    const [http, rtmp] = [dial(node.config.httpPort), dial(node.config.rtmpPort)];
    dripping(http, head);
    dripping(rtmp, Buffer.alloc(1537, 3));
    await Promise.all([ended(http), ended(rtmp)]);
    await onlyTheGood();
  });

  it('heads without end, at the media port and at the API', async () => {
    for (const port of [node.config.httpPort, node.config.apiPort]) {
      const socket = dial(port);
      socket.write('GET /api/v1/versions HTTP/1.1\r\n');
      const field = Buffer.from(`X-Again: ${'a'.repeat(1000)}\r\n`);
      const pour = (): void => {
        for (let i = 0; i < 1000 && !socket.destroyed; i++) if (!socket.write(field)) break;
      };
      socket.on('drain', pour);
      pour();
      await ended(socket);
    }
    await onlyTheGood();
  });

  it('a request with a body of 2 GB, and one that says it is compressed', async () => {
    for (const fields of [
      'Content-Length: 2147483648',
      'Transfer-Encoding: chunked',
      'Content-Encoding: gzip',
    ]) {
      const socket = dial(node.config.httpPort);
      socket.write(`POST /rtc/v1/whip/?app=live&stream=x HTTP/1.1\r\nHost: x\r\n${fields}\r\n\r\n`);
      const pour = (): void => {
        if (!socket.destroyed) socket.write(Buffer.alloc(MIB));
      };
      socket.on('drain', pour);
      pour();
      await ended(socket);
    }
    await onlyTheGood();
  });

  it('a flood of chunk streams, and a message of 16 MiB in one chunk of 2 GB', async () => {
    const flood = await RtmpPeer.open(node);
    for (let id = 64; id < 5000; id++) {
      const basic = Buffer.from([
        1,
        (id - 64) & 0xff,
        (id - 64) >> 8,
        0,
        0,
        0,
        0xff,
        0xff,
        0xff,
        9,
        1,
        0,
        0,
        0,
      ]);
      flood.socket.write(Buffer.concat([basic, Buffer.alloc(128)]));
    }
    await flood.until('its end', () => flood.closed);
    const large = await RtmpPeer.open(node);
    large.socket.write(Buffer.from([2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]));
    large.socket.write(Buffer.from([6, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0]));
    for (let part = 0; part < 20 && !large.closed; part++) large.socket.write(Buffer.alloc(MIB, 0xff));
    await large.until('its end', () => large.closed, 8000);
    await onlyTheGood();
  });

  it('RST at every stage of RTMP and of HTTP', async () => {
    const stages: (() => Promise<Socket>)[] = [
      async () => dial(node.config.rtmpPort),
      async () => {
        const socket = dial(node.config.rtmpPort);
        socket.write(Buffer.alloc(700, 3));
        return socket;
      },
      async () => (await RtmpPeer.open(node)).socket,
      async () => (await RtmpPeer.publisher(node, 'reset')).socket,
      async () => (await RtmpPeer.player(node, 'good')).socket,
      async () => (await RtmpPeer.player(node, 'nobody-publishes-this')).socket,
      async () => dial(node.config.httpPort),
      async () => {
        const socket = dial(node.config.httpPort);
        socket.write('GET /live/good.flv HT');
        return socket;
      },
      async () => {
        const socket = dial(node.config.httpPort);
        socket.write('GET /live/good.flv HTTP/1.1\r\nHost: x\r\n\r\n');
        await once(socket, 'data');
        return socket;
      },
    ];
    for (const stage of stages) {
      for (let again = 0; again < 5; again++) {
        const socket = await stage();
        if (socket.connecting) await once(socket, 'connect');
        socket.resetAndDestroy();
      }
    }
    // The name is free again.
    (await RtmpPeer.publisher(node, 'reset')).close();
    await onlyTheGood();
  });

  it('half-open: who has said FIN still gets the stream, and is forgotten when it goes', async () => {
    const half = dial(node.config.httpPort);
    half.end('GET /live/good.flv HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(half, 'data');
    const silent = dial(node.config.rtmpPort);
    silent.end();
    await ended(silent);
    half.destroy();
    await onlyTheGood();
  });

  it(`${SILENT} connections that say nothing are closed in time`, async () => {
    const silent = Array.from({ length: SILENT }, (_, index) =>
      dial(index % 2 === 0 ? node.config.rtmpPort : node.config.httpPort),
    );
    await Promise.all(silent.map(ended));
    await onlyTheGood();
  });

  it('has not grown by any of it', () => {
    const grown = readProcess(node.process.pid!)!.rssMb - rssBefore;
    assert.ok(grown < MOST_GROWTH_MB, `${grown.toFixed(0)} MB`);
    assert.equal(player.closed, false);
  });
});
