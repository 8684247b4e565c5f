/** What the SRT tests share: stamped media on its way, lossy links, and the programs of libsrt. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { TestContext } from 'node:test';
import { ClientState } from '../../../drivers/client.ts';
import { wallClock } from '../../../drivers/measure/clock.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { MediaSource, SourceCursor } from '../../../drivers/measure/source.ts';
import { SrtPlayer } from '../../../drivers/srt/player.ts';
import { SrtPublisher } from '../../../drivers/srt/publisher.ts';
import { UdpTap } from '../../../lab/taps/udp-tap.ts';
import { freeUdpPort } from '../../support/ports.ts';
import { udpSocketAt } from '../../support/udp-socket.ts';
import { eventually } from '../support/observe.ts';
import { SeededLosses } from './losses.ts';

/** Of ffmpeg: what it reads and writes, and what is wrong, but no progress. */
export const QUIET = ['-hide_banner', '-loglevel', 'info', '-nostats'];

/** 25 frames/s in ticks of 90 kHz. */
const FRAME_TICKS = 3600;

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

/** Of a test, or of one attempt of it. */
export interface Scope {
  after(cleanUp: () => unknown): void;
}

const ASKED = 3;
const LOOP_RESOLUTION_MS = 5;

/**
 * Publisher, taps and player share one event loop: what they do within a latency says nothing where it was held up for
 * longer than the latency has to spare. Then, and only then, it is asked again, with everything of its own anew.
 * @param attempt says when media begins to flow: what was before is no part of it.
 */
export async function unlessHeldUp(
  t: TestContext,
  spareMs: number,
  attempt: (scope: Scope, flows: () => void) => Promise<void>,
): Promise<void> {
  for (let asked = 1; ; asked++) {
    const cleanUps: (() => unknown)[] = [];
    const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    loop.enable();
    try {
      await attempt({ after: (cleanUp) => void cleanUps.push(cleanUp) }, () => loop.reset());
      return;
    } catch (error) {
      const heldUpMs = Math.round(loop.max / 1e6) - LOOP_RESOLUTION_MS;
      if (asked === ASKED || heldUpMs <= spareMs) throw error;
      t.diagnostic(`asked again, as this process was held up for ${heldUpMs} ms: ${error}`);
    } finally {
      loop.disable();
      for (const cleanUp of cleanUps) await cleanUp();
    }
  }
}

/** Resolves when the publisher is let in. */
export async function publishTo(t: Scope, url: string): Promise<TestPublication> {
  const publication = new TestPublication(url);
  t.after(() => publication.stop());
  await eventually(
    6000,
    'the publisher is connected',
    () => publication.publisher.state === ClientState.streaming,
  );
  return publication;
}

/** A tap before a local port. */
export async function tapOf(t: Scope, port: number): Promise<UdpTap> {
  const tap = new UdpTap({
    from: 'client',
    to: 'server',
    listen: { host: '127.0.0.1', port: 0 },
    target: { host: '127.0.0.1', port },
  });
  await tap.listen();
  t.after(() => tap.close());
  return tap;
}

/** Of the data packets of a test of a few seconds: about 80 a second. */
const LOSSES_KNOWN = 1000;

/**
 * 5 % loss both ways, and each datagram is late by `ms` and by up to `ms` more or less. Within 400 ms a loss report is
 * sent two or three times with 50 ms (half of the round trip time and four times its variance, draft section 4.8.2), and
 * four times and more with 25 ms. By chance one packet in 2000 needs a third report: which are lost is therefore the
 * seed's choice (losses.ts), some of them twice, none more often. What is left to chance is how late each datagram is.
 */
export async function lossyTap(t: Scope, port: number, ms: number, seed: number): Promise<UdpTap> {
  const losses = new SeededLosses(seed);
  const rounds = Array.from({ length: LOSSES_KNOWN }, (_, index) => losses.rounds(index));
  assert.equal(Math.max(...rounds), 2, `loss reports for one packet, with seed ${seed}`);
  const tap = await tapOf(t, port);
  for (const direction of ['upstream', 'downstream'] as const)
    tap.setFaults(direction, { lose: losses.lose, delay: ms, jitter: ms });
  return tap;
}

/** Resolves when a program has bound this UDP port: a caller before that is refused (Linux, proc(5)). */
export function udpBound(port: number): Promise<void> {
  return eventually(5000, `UDP port ${port} is bound`, () => udpSocketAt(port) !== undefined);
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

/** ffmpeg, which lists the packets of one publisher until that leaves. */
export class FfmpegListener {
  readonly port: number;
  readonly #program: Program;

  private constructor(port: number, program: Program) {
    this.port = port;
    this.#program = program;
  }

  /** @param parameters of its URL, in ffmpeg's units. */
  static async start(t: Scope, parameters: string): Promise<FfmpegListener> {
    const port = await freeUdpPort();
    const program = new Program('ffmpeg', [
      // It would look at 5 s of a transport stream before it lists anything.
      ...[...QUIET, '-copyts', '-analyzeduration', '500000'],
      ...['-i', `srt://127.0.0.1:${port}?mode=listener&${parameters}`],
      ...['-map', '0', '-c', 'copy', '-f', 'framecrc', '-'],
    ]);
    t.after(() => program.stop());
    await udpBound(port);
    return new FfmpegListener(port, program);
  }

  /** In 90 kHz, by video frame that it has read so far. */
  get #times(): number[] {
    return this.#program.output
      .split('\n')
      .filter((line) => line.startsWith('0,'))
      .map((line) => Number(line.split(',')[1]));
  }

  /** Video frames that it has read so far. What it has not read when the publisher leaves, it may never read. */
  get listed(): number {
    return this.#times.length;
  }

  /** It ends, and had so many video frames at the least, from the first one on, audio too, none missing and none damaged. */
  async endsWith(frames: number): Promise<void> {
    const { child } = this.#program;
    await eventually(5000, 'ffmpeg ends', () => child.exitCode !== null);
    const { output } = this.#program;
    assert.match(output, /Video: h264/);
    assert.match(output, /Audio: aac/);
    assert.doesNotMatch(output, /corrupt|error while decoding/i);
    const times = this.#times;
    assert.ok(times.length >= frames, `${times.length} frames, not ${frames}`);
    assert.equal(times[0], 0);
    const steps = new Set(times.slice(1).map((time, at) => time - times[at]!));
    assert.deepEqual([...steps], [FRAME_TICKS]);
  }
}
