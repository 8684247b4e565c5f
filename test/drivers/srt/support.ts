/** What the SRT tests share: stamped media on its way, free UDP ports, and the programs of libsrt. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { MediaSource, SourceCursor } from '../../../drivers/measure/source.ts';
import { SrtPublisher } from '../../../drivers/srt/publisher.ts';
import { wallClock } from '../../../drivers/measure/clock.ts';
import { ClientState } from '../../../drivers/client.ts';

export const source = MediaSource.load(join(import.meta.dirname, '../../../fixtures/media/av-480k.flv'));

/** Sends the source in real time, stamped, until it is stopped. */
export class TestPublication {
  readonly publisher: SrtPublisher;
  frames = 0;
  readonly stream: number;
  readonly #cursor = new SourceCursor(source);
  readonly #timer: NodeJS.Timeout;
  #origin = Number.NaN;

  constructor(url: string, stream = 1) {
    this.stream = stream;
    this.publisher = new SrtPublisher(url);
    this.publisher.open();
    this.#timer = setInterval(() => this.#tick(), 5);
  }

  #tick(): void {
    if (this.publisher.state !== ClientState.streaming) return;
    if (Number.isNaN(this.#origin)) {
      this.#origin = performance.now();
      for (const { type, body } of source.headers) this.publisher.send(type, 0, body);
    }
    while (this.#origin + this.#cursor.timestamp <= performance.now()) {
      const { item, timestamp } = this.#cursor;
      const body = item.template?.write(this.stream, this.frames, wallClock.now()) ?? item.body;
      if (item.template !== undefined) this.frames++;
      this.publisher.send(item.type, timestamp, body);
      this.#cursor.advance();
    }
  }

  /** Sends no more; the connection stays. */
  pause(): void {
    clearInterval(this.#timer);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.publisher.close();
  }
}

export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

/** A program that is ended with the test. */
export class Program {
  readonly child: ChildProcess;
  output = '';

  constructor(name: string, args: readonly string[]) {
    this.child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stderr!.on('data', (text) => {
      this.output += text;
    });
    this.child.stdout!.on('data', (text) => {
      this.output += text;
    });
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}
