/** One measured process of `bench:drivers` or `bench:hls`: N players, or N bare readers of the same bytes. */
import { connect, type Socket } from 'node:net';
import { loopbackSource } from '../../drivers/swarm/addresses.ts';
import { Crowd } from '../../drivers/swarm/crowd.ts';
import { HealthMonitor } from '../../drivers/swarm/health.ts';
import { encodeRequest } from '../../protocols/http1/response-reader.ts';
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import {
  connectCommand,
  createStreamCommand,
  encodeCommand,
  playCommand,
} from '../../protocols/rtmp/commands.ts';
import { ChunkStreamId, MessageTypeId } from '../../protocols/rtmp/messages.ts';
import { BareSrtCallers } from './bare-srt.ts';

export type ReaderKind = 'bare' | 'player';

export interface ReaderTask {
  readonly kind: ReaderKind;
  readonly url: string;
  readonly clients: number;
  readonly rampMs: number;
  readonly settleMs: number;
  readonly windowMs: number;
}

export interface ReaderResult {
  readonly cores: number;
  readonly bytesPerSecond: number;
  /** Resident memory with all clients, less that of the process before the first one. */
  readonly bytesPerClient: number;
  /** Of JavaScript objects alone. */
  readonly heapPerClient: number;
  /** Clients that receive. */
  readonly receiving: number;
  readonly loopLagP99Ms: number;
  readonly missing: number;
  readonly corrupt: number;
  readonly frames: number;
  /** In the window. */
  readonly framesPerSecond: number;
  /** What HLS players counted. */
  readonly problems: number;
}

interface FrameCounts {
  received: number;
  missing: number;
  corrupt: number;
  problems: number;
}

const NO_FRAMES: FrameCounts = { received: 0, missing: 0, corrupt: 0, problems: 0 };

/** Of the segments of `bench:hls`. */
const SEGMENT_MS = 2000;

/** What is measured: it begins, and then tells how many bytes have come and how many clients receive. */
interface Load {
  bytes(): number;
  receiving(): number;
  frames(): FrameCounts;
  /** Once a second, as a worker of a swarm does. */
  report(): void;
  /** Where the load looks at its event loop by itself: a second monitor would be a cost that no worker has. */
  readonly health?: HealthMonitor;
}

/** Counts bytes. The same handshake and the same requests as a player, written at once and without a look at the answers. */
class BareReaders implements Load {
  total = 0;
  readonly #alive = new Set<Socket>();

  constructor(task: ReaderTask) {
    const hls = task.url.endsWith('.m3u8');
    const request = hls
      ? hlsRequest(task.url)
      : task.url.startsWith('rtmp')
        ? rtmpRequest(task.url)
        : flvRequest(task.url);
    const { hostname, port } = new URL(task.url);
    const buffer = new Uint8Array(64 * 1024);
    let opened = 0;
    const started = performance.now();
    const ramp = setInterval(() => {
      const due = Math.min(task.clients, ((performance.now() - started) / task.rampMs) * task.clients);
      while (opened < due) {
        const localAddress = loopbackSource(task.url, opened++);
        const onread = {
          buffer,
          callback: (length: number): boolean => {
            this.total += length;
            return true;
          },
        };
        const socket = connect({ host: hostname, port: Number(port), localAddress, noDelay: true, onread });
        socket.once('connect', () => {
          this.#alive.add(socket);
          socket.write(request);
          if (hls) setInterval(() => socket.write(request), SEGMENT_MS);
        });
        socket.once('error', () => this.#alive.delete(socket));
        socket.once('close', () => this.#alive.delete(socket));
      }
      if (opened === task.clients) clearInterval(ramp);
    }, 10);
  }

  bytes(): number {
    return this.total;
  }

  receiving(): number {
    return this.#alive.size;
  }

  frames(): FrameCounts {
    return NO_FRAMES;
  }

  report(): void {}
}

class BareCallers implements Load {
  readonly #callers: BareSrtCallers;

  constructor({ url, clients, rampMs }: ReaderTask) {
    this.#callers = new BareSrtCallers(url, clients, rampMs);
  }

  bytes(): number {
    return this.#callers.total;
  }

  receiving(): number {
    return this.#callers.connected;
  }

  frames(): FrameCounts {
    return NO_FRAMES;
  }

  report(): void {}
}

function rtmpRequest(url: string): Uint8Array {
  const writer = new ChunkWriter();
  const message = (stream: number, command: Uint8Array): Uint8Array =>
    writer.encode(ChunkStreamId.Command, MessageTypeId.CommandAmf0, stream, 0, command);
  const [, app, stream] = new URL(url).pathname.split('/');
  return Buffer.concat([
    Uint8Array.of(3),
    new Uint8Array(1536),
    new Uint8Array(1536),
    message(0, encodeCommand(connectCommand({ app: app!, tcUrl: url.slice(0, url.lastIndexOf('/')) }))),
    message(0, encodeCommand(createStreamCommand(2))),
    message(1, encodeCommand(playCommand(3, stream!))),
  ]);
}

function flvRequest(url: string): Uint8Array {
  const { pathname, host } = new URL(url);
  return encodeRequest({ method: 'GET', path: pathname, host });
}

/** Playlist and segment at once: the server answers in turn. */
function hlsRequest(url: string): Uint8Array {
  const { pathname, host } = new URL(url);
  const paths = [pathname, pathname.replace(/[^/]*$/, 'latest.ts')];
  return Buffer.concat(paths.map((path) => encodeRequest({ method: 'GET', path, host })));
}

class Players implements Load {
  readonly #crowd: Crowd;
  readonly health = new HealthMonitor();

  constructor(task: ReaderTask) {
    this.#crowd = new Crowd({ urls: [task.url], clients: task.clients, rampMs: task.rampMs });
    this.#crowd.start();
  }

  bytes(): number {
    return this.#crowd.snapshot().bytes;
  }

  receiving(): number {
    return this.#crowd.joined - this.#crowd.dropped;
  }

  frames(): FrameCounts {
    const { frames, hls } = this.#crowd.snapshot();
    const problems = Object.values(hls?.problems ?? {}).reduce((sum, count) => sum + count, 0);
    return { ...frames, problems };
  }

  report(): void {
    const health = this.health.read();
    const { histograms, protocols } = this.#crowd;
    const report = {
      crowd: this.#crowd.snapshot(),
      histograms: histograms.take(),
      protocols: protocols.take(),
      health,
    };
    process.send?.({ report });
  }
}

async function after(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

function loadOf(task: ReaderTask): Load {
  if (task.kind === 'player') return new Players(task);
  return task.url.startsWith('srt') ? new BareCallers(task) : new BareReaders(task);
}

async function measure(task: ReaderTask): Promise<ReaderResult> {
  await after(200);
  globalThis.gc?.();
  const before = process.memoryUsage();
  const load = loadOf(task);
  const reports = setInterval(() => load.report(), 1000);
  await after(task.rampMs + task.settleMs);
  const health = load.health ?? new HealthMonitor();
  const framesBefore = load.frames().received;
  const [bytes, cpu, at] = [load.bytes(), process.cpuUsage(), performance.now()];
  await after(task.windowMs);
  const [bytesAfter, cpuAfter, seconds] = [
    load.bytes(),
    process.cpuUsage(cpu),
    (performance.now() - at) / 1000,
  ];
  const framesAfter = load.frames().received;
  const { loopLagP99Ms } = health.read();
  const { rss } = process.memoryUsage();
  globalThis.gc?.();
  const { heapUsed } = process.memoryUsage();
  clearInterval(reports);
  const { received, missing, corrupt, problems } = load.frames();
  return {
    cores: (cpuAfter.user + cpuAfter.system) / 1e6 / seconds,
    bytesPerSecond: (bytesAfter - bytes) / seconds,
    bytesPerClient: (rss - before.rss) / task.clients,
    heapPerClient: (heapUsed - before.heapUsed) / task.clients,
    receiving: load.receiving(),
    loopLagP99Ms,
    missing,
    corrupt,
    frames: received,
    framesPerSecond: (framesAfter - framesBefore) / seconds,
    problems,
  };
}

process.on('message', (task: ReaderTask) => {
  void measure(task).then((result) => process.send?.({ result }, undefined, undefined, () => process.exit()));
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
