/** What the SRT tests share: stamped media on its way, free UDP ports, and the programs of libsrt. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClientState } from '../../../drivers/client.ts';
import { wallClock } from '../../../drivers/measure/clock.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { MediaSource, SourceCursor } from '../../../drivers/measure/source.ts';
import { SrtPlayer } from '../../../drivers/srt/player.ts';
import { SrtPublisher } from '../../../drivers/srt/publisher.ts';
import { eventually } from '../support/observe.ts';

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

/** Resolves when a program has bound this UDP port: a caller before that is refused (Linux, proc(5)). */
export function udpBound(port: number): Promise<void> {
  const entry = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return eventually(5000, `UDP port ${port} is bound`, () =>
    readFileSync('/proc/net/udp', 'utf8').includes(entry),
  );
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

/** `srt-live-transmit` between two listeners of its own: what comes in at one is handed on at the other. */
export async function startRelay(
  parameters: string,
): Promise<{ program: Program; inPort: number; outPort: number }> {
  const [inPort, outPort] = [await freeUdpPort(), await freeUdpPort()];
  const listener = (port: number): string => `srt://127.0.0.1:${port}?mode=listener&${parameters}`;
  const program = new Program('srt-live-transmit', [
    listener(inPort),
    listener(outPort),
    '-chunk:1316',
    '-v',
  ]);
  await eventually(5000, 'srt-live-transmit listens', () => program.output.split('listen...').length > 2);
  return { program, inPort, outPort };
}

export class MeteredPlayer {
  readonly meter = new FrameMeter(new MeterHistograms());
  readonly player: SrtPlayer;

  constructor(url: string) {
    this.player = new SrtPlayer(url, this.meter);
    this.meter.attach(this.player.timing);
    this.player.open();
  }
}
