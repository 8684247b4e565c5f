/**
 * The bench's own server: as little as RTMP and HTTP-FLV players need, so that what is measured is the players. One
 * endless stamped stream; each player gets one write of shared buffers every 350 ms, as SRS writes by default
 * (facts/srs.md 7.3), and players are spread over the phases of that time, as players are who came one by one.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { wallClock } from '../../drivers/measure/clock.ts';
import { MediaSource, SourceCursor } from '../../drivers/measure/source.ts';
import { encodeTag, flvHeader } from '../../protocols/flv/writer.ts';
import type { MediaType } from '../../protocols/media.ts';
import { ChunkReader } from '../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import { decodeCommand, encodeCommand, onStatus, result } from '../../protocols/rtmp/commands.ts';
import { ServerHandshake } from '../../protocols/rtmp/handshake.ts';
import { MessageAssembler } from '../../protocols/rtmp/message-assembler.ts';
import { ChunkStreamId, encodeSetChunkSize, MessageTypeId } from '../../protocols/rtmp/messages.ts';

const BURST_MS = 350;
/** SRS's default. */
const CHUNK_SIZE = 60_000;
const MESSAGE_STREAM = 1;
/** A player that is this far behind makes the measurement void. */
const MAX_BACKLOG = 8 * 1024 * 1024;

export type FromFeeder = {
  readonly rtmpPort: number;
  readonly flvPort: number;
  readonly bitsPerSecond: number;
};

/** Between two crowds. */
export type ToFeeder = { readonly phases: number };

const CRLF = new Uint8Array([13, 10]);

class Phase {
  readonly rtmp = new Set<Socket>();
  readonly flv = new Set<Socket>();
  rtmpParts: Uint8Array[] = [];
  flvParts: Uint8Array[] = [];

  burst(): void {
    send(this.rtmp, Buffer.concat(this.rtmpParts));
    send(this.flv, httpChunk(this.flvParts));
    this.rtmpParts = [];
    this.flvParts = [];
  }
}

function send(sockets: Set<Socket>, bytes: Uint8Array): void {
  for (const socket of sockets) {
    if (socket.writableLength > MAX_BACKLOG) {
      process.stderr.write('bench feeder: a player does not read, it was closed\n');
      socket.destroy();
    } else {
      socket.write(bytes);
    }
  }
}

function httpChunk(parts: Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from(`${length.toString(16)}\r\n`), ...parts, CRLF]);
}

class Feeder {
  readonly #writer = new ChunkWriter();
  readonly #cursor: SourceCursor;
  #phases = [new Phase()];
  readonly #rtmpHeaders: Uint8Array;
  readonly #flvHeaders: Uint8Array;
  readonly #origin = performance.now();
  #frame = 0;
  #next = 0;
  #joined = 0;

  constructor(source: MediaSource) {
    this.#writer.chunkSize = CHUNK_SIZE;
    this.#cursor = new SourceCursor(source);
    this.#rtmpHeaders = Buffer.concat(source.headers.map(({ type, body }) => this.#message(type, 0, body)));
    this.#flvHeaders = Buffer.concat([
      flvHeader({ audio: true, video: true }),
      ...source.headers.map(({ type, body }) => encodeTag(type, 0, body)),
    ]);
  }

  #message(type: MediaType, timestamp: number, body: Uint8Array): Uint8Array {
    const chunkStream = type === 8 ? ChunkStreamId.Audio : ChunkStreamId.Video;
    return this.#writer.encode(chunkStream, type, MESSAGE_STREAM, timestamp, body);
  }

  /** Players of the next crowd are spread over so many phases. Nobody may be connected. */
  set phases(count: number) {
    this.#phases = Array.from({ length: count }, () => new Phase());
  }

  start(): void {
    let due = this.#origin;
    const tick = (): void => {
      this.#produce();
      this.#phases[this.#next++ % this.#phases.length]!.burst();
      due += BURST_MS / this.#phases.length;
      setTimeout(tick, Math.max(0, due - performance.now()));
    };
    tick();
  }

  #produce(): void {
    const cursor = this.#cursor;
    while (this.#origin + cursor.timestamp <= performance.now()) {
      const { item, timestamp } = cursor;
      const body = item.template?.write(1, this.#frame++, wallClock.now()) ?? item.body;
      const message = this.#message(item.type, timestamp, body);
      const tag = encodeTag(item.type, timestamp, body);
      for (const phase of this.#phases) {
        phase.rtmpParts.push(message);
        phase.flvParts.push(tag);
      }
      cursor.advance();
    }
  }

  rtmp(socket: Socket): void {
    quiet(socket);
    const handshake = new ServerHandshake({
      random: randomBytes,
      hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
    });
    const writer = new ChunkWriter();
    const command = (bytes: Uint8Array): void => {
      socket.write(writer.encode(ChunkStreamId.Command, MessageTypeId.CommandAmf0, 0, 0, bytes));
    };
    const assembler = new MessageAssembler((message) => {
      if (message.messageTypeId !== MessageTypeId.CommandAmf0) return;
      const { name, transactionId } = decodeCommand(message.payload);
      if (name === 'connect') {
        socket.write(
          writer.encode(
            ChunkStreamId.Control,
            MessageTypeId.SetChunkSize,
            0,
            0,
            encodeSetChunkSize(CHUNK_SIZE),
          ),
        );
        writer.chunkSize = CHUNK_SIZE;
        command(encodeCommand(result(transactionId, null, { code: 'NetConnection.Connect.Success' })));
      } else if (name === 'createStream') {
        command(encodeCommand(result(transactionId, null, MESSAGE_STREAM)));
      } else if (name === 'play') {
        const info = { level: 'status', code: 'NetStream.Play.Start', description: 'Start' } as const;
        command(encodeCommand(onStatus(info)));
        socket.write(this.#rtmpHeaders);
        const phase = this.#phases[this.#joined++ % this.#phases.length]!;
        phase.rtmp.add(socket);
        socket.once('close', () => phase.rtmp.delete(socket));
      }
    });
    const reader = new ChunkReader(assembler);
    let done = false;
    socket.on('data', (bytes: Uint8Array) => {
      let start = 0;
      if (!done) {
        const step = handshake.push(bytes);
        if (step.send !== undefined) socket.write(step.send);
        done = step.done;
        start = step.consumed;
      }
      if (done) reader.push(bytes, start);
    });
  }

  flv(socket: Socket): void {
    quiet(socket);
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.write(httpChunk([this.#flvHeaders]));
      const phase = this.#phases[this.#joined++ % this.#phases.length]!;
      phase.flv.add(socket);
      socket.once('close', () => phase.flv.delete(socket));
      socket.resume();
    });
  }
}

function quiet(socket: Socket): void {
  socket.on('error', () => socket.destroy());
}

const source = MediaSource.load(process.argv[2]!);
const feeder = new Feeder(source);
const backlog = 4096;
const rtmpServer = createServer((socket) => feeder.rtmp(socket));
const flvServer = createServer((socket) => feeder.flv(socket));
rtmpServer.listen({ port: 0, host: '127.0.0.1', backlog }, () => {
  flvServer.listen({ port: 0, host: '127.0.0.1', backlog }, () => {
    feeder.start();
    const [rtmp, flv] = [rtmpServer.address(), flvServer.address()];
    if (typeof rtmp !== 'object' || typeof flv !== 'object' || rtmp === null || flv === null) return;
    const bitsPerSecond = (source.bytes * 8 * 1000) / source.duration;
    process.send?.({ rtmpPort: rtmp.port, flvPort: flv.port, bitsPerSecond } satisfies FromFeeder);
  });
});
process.on('SIGINT', () => {});
process.on('message', ({ phases }: ToFeeder) => {
  feeder.phases = phases;
});
process.on('disconnect', () => process.exit());
