/**
 * Servers that mean harm, and each driver that meets them: a typed end in bounded time and memory, and the player beside is
 * served. What is elsewhere: silence, resets and ends at every stage, redirects in a circle and frozen servers in
 * test/drivers/endings.test.ts; playlists and segments in test/drivers/hls/bad-input.test.ts; answers to an offer in
 * test/drivers/webrtc/signalling.test.ts.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { ClientOptions } from '../../drivers/client.ts';
import { createPlayer, createPublisher } from '../../drivers/create.ts';
import { CountingSink, type Scripted, scripted, Witness } from '../drivers/support/observe.ts';

const MIB = 2 ** 20;
const SRS_FLV = readFileSync('fixtures/captures/srs-7.0.18/http-flv.s2c.bin');
const NGINX_PLAY = readFileSync('fixtures/captures/nginx-rtmp-1.2.2/ffmpeg-play.s2c.bin');
const S0S1S2 = NGINX_PLAY.subarray(0, 1 + 2 * 1536);
/** 32 MiB of zeros in 32 KiB. */
const BOMB = gzipSync(Buffer.alloc(32 * MIB));
/** What a driver may read of an attack. Over RTMP: the largest message, 16 MiB, and what was under way with it. */
const MOST_BYTES = { http: 4 * MIB, rtmp: 20 * MIB } as const;
const MOST_GROWTH = 96 * MIB;

/** What is malformed is told at once; the timeout is for a busy machine. */
const timeoutFor = (reason: string): number => (reason === 'protocol' ? 3000 : 400);
const OPTIONS: ClientOptions = {
  maxRedirects: 3,
  hls: { maxRetries: 0 },
  webrtc: { transport: 'lite' },
};

type Attack = (socket: Socket) => void;

/** The same bytes again and again, for as long as they are read. */
function forever(head: string | Uint8Array, part: Uint8Array): Attack {
  return (socket) => {
    socket.write(head);
    const pour = (): void => {
      for (let i = 0; i < 1000 && !socket.destroyed; i++) if (!socket.write(part)) break;
    };
    socket.on('drain', pour);
    pour();
  };
}

/** One byte after the other, none of them late by itself: 40 of them would take twice the timeout. */
function dripping(bytes: Uint8Array): Attack {
  return (socket) => {
    let at = 0;
    const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 20);
    socket.once('close', () => clearInterval(timer));
  };
}

const whole = (head: string, body: Uint8Array): Attack => {
  return (socket) => socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`), body]));
};

const FIELD = Buffer.from(`X-Again: ${'a'.repeat(1000)}\r\n`);
const LONG_FIELD = Buffer.alloc(1000, 'a');
const TYPE_OF = {
  FLV: 'Content-Type: video/x-flv',
  HLS: 'Content-Type: application/vnd.apple.mpegurl',
  WHEP: 'Content-Type: application/sdp\r\nLocation: /s/1',
} as const;
type Kind = keyof typeof TYPE_OF;
const URL_OF: Record<Kind | 'RTMP', (port: number) => string> = {
  FLV: (port) => `http://127.0.0.1:${port}/live/x.flv`,
  HLS: (port) => `http://127.0.0.1:${port}/live/x.m3u8`,
  WHEP: (port) => `whep://127.0.0.1:${port}/whep`,
  RTMP: (port) => `rtmp://127.0.0.1:${port}/live/x`,
};

/** Against whoever speaks HTTP. Ends by `reason`. */
const OVER_HTTP: Record<string, { attack(kind: Kind): Attack; reason: string }> = {
  'header fields without end': { attack: () => forever('HTTP/1.1 200 OK\r\n', FIELD), reason: 'protocol' },
  'one header field without end': {
    attack: () => forever('HTTP/1.1 200 OK\r\nX-Long: ', LONG_FIELD),
    reason: 'protocol',
  },
  'a status line without end': { attack: () => forever('HTTP/1.1 200 ', LONG_FIELD), reason: 'protocol' },
  'a head of one byte at a time': {
    attack: () => dripping(Buffer.from(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(200)}`)),
    reason: 'timeout',
  },
  'interim answers without end': {
    attack: () => forever('', Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')),
    reason: 'any',
  },
  'a compressed bomb that nobody asked for': {
    attack: (kind) =>
      whole(`${TYPE_OF[kind]}\r\nContent-Encoding: gzip\r\nContent-Length: ${BOMB.length}`, BOMB),
    reason: 'protocol',
  },
  'a chunk of 2 GB': {
    attack: (kind) =>
      forever(
        `HTTP/1.1 200 OK\r\n${TYPE_OF[kind]}\r\nTransfer-Encoding: chunked\r\n\r\n80000000\r\n`,
        Buffer.alloc(MIB),
      ),
    reason: 'protocol',
  },
  'a length of 2 GB': {
    attack: (kind) =>
      forever(`HTTP/1.1 200 OK\r\n${TYPE_OF[kind]}\r\nContent-Length: 2147483648\r\n\r\n`, Buffer.alloc(MIB)),
    reason: 'protocol',
  },
};

/** A chunk of type 0 on chunk stream `id` (at least 64), of a message that never becomes whole (RTMP 1.0 5.3.1). */
function beginning(id: number): Uint8Array {
  const basic = [1, (id - 64) & 0xff, (id - 64) >> 8];
  return Uint8Array.of(...basic, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0, ...new Array<number>(128).fill(0));
}

const control = (type: number, value: readonly number[]): Uint8Array =>
  Uint8Array.of(2, 0, 0, 0, 0, 0, value.length, type, 0, 0, 0, 0, ...value);

/** Against whoever speaks RTMP, after the handshake unless it is `raw`. */
const OVER_RTMP: Record<string, { said: Attack; raw?: true; reason: string }> = {
  'a flood of chunk streams': {
    said: (socket) => {
      for (let id = 64; id < 20_000; id++) socket.write(beginning(id));
    },
    reason: 'protocol',
  },
  'a message of 16 MiB in one chunk of 2 GB': {
    said: (socket) => {
      socket.write(control(1, [0x7f, 0xff, 0xff, 0xff]));
      forever(Uint8Array.of(6, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0), Buffer.alloc(MIB, 0xff))(socket);
    },
    reason: 'protocol',
  },
  'a chunk size of 0': { said: (socket) => socket.write(control(1, [0, 0, 0, 0])), reason: 'protocol' },
  'pings without end': {
    said: forever('', Buffer.concat(new Array(500).fill(control(4, [0, 6, 0, 0, 0, 1])))),
    reason: 'timeout',
  },
  'a handshake of one byte at a time': { said: dripping(S0S1S2), raw: true, reason: 'timeout' },
  'an answer of one byte at a time': {
    said: dripping(NGINX_PLAY.subarray(S0S1S2.length)),
    reason: 'timeout',
  },
};

describe('hostile servers', { concurrency: 4 }, () => {
  let good: Scripted;
  let rssBefore: number;
  before(async () => {
    good = await scripted((socket) => void socket.once('data', () => socket.write(SRS_FLV)));
    rssBefore = process.memoryUsage.rss();
  });
  after(async () => {
    await good.close();
    const growth = process.memoryUsage.rss() - rssBefore;
    assert.ok(growth < MOST_GROWTH, `grown by ${(growth / MIB).toFixed(0)} MiB`);
  });

  async function meets(
    kind: Kind | 'RTMP',
    attack: Attack,
    reason: string,
    publishes = false,
  ): Promise<void> {
    let asked = '';
    const bad = await scripted((socket) => {
      socket.on('data', (bytes) => {
        if (asked.length < 4096) asked += bytes.toString('latin1');
      });
      socket.once('data', () => attack(socket));
    });
    const [witness, beside] = [new Witness(), new CountingSink()];
    const url = URL_OF[kind](bad.port);
    const options = { ...OPTIONS, timeoutMs: timeoutFor(reason) };
    const client = publishes
      ? createPublisher(url, options, witness)
      : createPlayer(url, new CountingSink(), options, witness);
    const player = createPlayer(URL_OF.FLV(good.port), beside, OPTIONS);
    try {
      client.open();
      player.open();
      await beside.videoFrames(10);
      const closed = await witness.closed(6000);
      if (reason !== 'any') assert.equal(closed.reason, reason, JSON.stringify(closed));
      const most = kind === 'RTMP' ? MOST_BYTES.rtmp : MOST_BYTES.http;
      assert.ok(client.bytesIn <= most, `${client.bytesIn} bytes were read`);
      assert.doesNotMatch(asked, /accept-encoding/i, 'what is not asked for need not be unpacked');
    } finally {
      client.close();
      player.close();
      await bad.close();
    }
  }

  for (const [name, { attack, reason }] of Object.entries(OVER_HTTP)) {
    for (const kind of ['FLV', 'HLS', 'WHEP'] as const) {
      it(`${kind}: ${name}`, () => meets(kind, attack(kind), reason));
    }
  }
  for (const [name, { said, raw, reason }] of Object.entries(OVER_RTMP)) {
    const attack: Attack = (socket) => {
      if (!raw) socket.write(S0S1S2);
      said(socket);
    };
    it(`RTMP player: ${name}`, () => meets('RTMP', attack, reason));
    it(`RTMP publisher: ${name}`, () => meets('RTMP', attack, reason, true));
  }
});
