/** The two runs that the command line has: players on URLs, publishers on URLs. */
import type { MediaSink } from '../../protocols/media.ts';
import type { ClientOptions } from '../client.ts';
import { createPlayer } from '../create.ts';
import type { DistributionFigures } from '../measure/histogram.ts';
import { type Publication, Publishing, TAKEN_WITHIN_MS } from '../measure/publishing.ts';
import { MediaSource } from '../measure/source.ts';
import { clientSource } from './addresses.ts';
import type { CrowdClientOptions, FrameTotals } from './crowd.ts';
import { type GeneratorFigures, HealthMonitor, judgeGenerator } from './health.ts';
import { hasNumber, numbered } from './numbered.ts';
import { type ProtocolFigures, protocolFigures } from './protocol-distributions.ts';
import { type PublishedFigures, publishedFigures } from './publish-figures.ts';
import type { Shard } from './shard.ts';
import { Swarm, type SwarmFigures, type SwarmTick } from './swarm.ts';

export type LoadPhase = 'ramp' | 'steady';

export interface LoadTick extends SwarmTick {
  readonly phase: LoadPhase;
}

export interface LoadOptions {
  readonly urls: readonly string[];
  readonly clients: number;
  readonly rampMs: number;
  /** Counts from the end of the ramp. */
  readonly durationMs: number;
  /** Default: one per core. */
  readonly workers?: number;
  readonly client?: CrowdClientOptions;
  /** `clients` are then those of all shards. */
  readonly shard?: Shard;
  /** When the first player is opened, epoch ms. Default: at once. */
  readonly startAt?: number;
  readonly onTick?: (tick: LoadTick) => void;
  /** After every tick: all that was measured until then, in the form of the end. */
  readonly onFigures?: (figures: LoadFigures) => void;
  /** Ends the run early; what was measured until then is returned. */
  readonly signal?: AbortSignal;
}

/** The shape of `LoadSecond` in reports/results.ts. */
export interface LoadSecondFigures {
  readonly second: number;
  /** So far. */
  readonly joined: number;
  readonly failed: number;
  readonly mbitPerSecond: number;
  readonly latencyP50: number | null;
  readonly latencyP99: number | null;
  /** Of a shard. */
  readonly latencyHdr?: string;
  /** That began in this second. */
  readonly stalls: number;
  readonly loopLagMs: number;
}

/** The shape of `LoadShard` in reports/results.ts. */
export interface ShardFigures extends Shard {
  /** Of all shards. */
  readonly clients: number;
  readonly rampMs: number;
  readonly durationMs: number;
  /** ISO 8601; null when it was interrupted before. */
  readonly startedAt: string | null;
}

/** The shape of `Load` in reports/results.ts. */
export interface LoadFigures extends ProtocolFigures {
  readonly urls: string[];
  /** From the first client to the end, ramp included. */
  readonly seconds: number;
  readonly shard?: ShardFigures;
  readonly clients: { requested: number; joined: number; failed: number; dropped: number };
  readonly reasons: Record<string, number>;
  readonly bytes: number;
  readonly startup: DistributionFigures;
  readonly latency: { join: DistributionFigures; steady: DistributionFigures };
  readonly stalls: SwarmFigures['stalls'];
  readonly frames: FrameTotals;
  readonly generator: GeneratorFigures;
  readonly timeline: LoadSecondFigures[];
}

/** Plays. Throws ProtocolError(Url) before anything starts when a URL cannot be played. */
export async function runLoad(options: LoadOptions): Promise<LoadFigures> {
  const timeline: LoadSecondFigures[] = [];
  let phase: LoadPhase = 'ramp';
  for (const url of options.urls) assertPlayable(url);
  const swarm = new Swarm(options, (tick) => {
    timeline.push({
      second: tick.second,
      joined: tick.joined,
      failed: tick.failed,
      mbitPerSecond: tick.intervalMbitPerSecond,
      latencyP50: tick.intervalLatencyP50,
      latencyP99: tick.intervalLatencyP99,
      ...(tick.intervalLatencyHdr !== undefined && { latencyHdr: tick.intervalLatencyHdr }),
      stalls: tick.intervalStalls,
      loopLagMs: tick.intervalLoopLagMs,
    });
    options.onTick?.({ ...tick, phase });
    options.onFigures?.(loadFigures(options, swarm.figures(), [...timeline]));
  });
  try {
    const interrupt = (): void => void swarm.stop();
    if (options.signal?.aborted) interrupt();
    options.signal?.addEventListener('abort', interrupt, { once: true });
    await swarm.start();
    options.signal?.removeEventListener('abort', interrupt);
    await delay(options.rampMs, options.signal);
    phase = 'steady';
    await delay(options.durationMs, options.signal);
  } finally {
    await swarm.stop();
  }
  return loadFigures(options, await swarm.stop(), timeline);
}

function loadFigures(
  options: LoadOptions,
  figures: SwarmFigures,
  timeline: LoadSecondFigures[],
): LoadFigures {
  const { requested, joined, failed, dropped } = figures.clients;
  return {
    urls: [...options.urls],
    seconds: figures.seconds,
    ...(options.shard && { shard: shardFigures(options, options.shard, figures.startedAt) }),
    clients: { requested, joined, failed, dropped },
    reasons: figures.reasons,
    bytes: figures.bytes,
    startup: figures.startup.toDistribution(),
    latency: { join: figures.join.toDistribution(), steady: figures.steady.toDistribution() },
    stalls: figures.stalls,
    frames: figures.frames,
    generator: figures.generator,
    timeline,
    ...protocolFigures(figures.protocols),
  };
}

function shardFigures(
  { clients, rampMs, durationMs }: LoadOptions,
  shard: Shard,
  startedAt: number,
): ShardFigures {
  const began = Number.isNaN(startedAt) ? null : new Date(startedAt).toISOString();
  return { ...shard, clients, rampMs, durationMs, startedAt: began };
}

export interface PublishTick {
  readonly second: number;
  readonly requested: number;
  readonly publishing: number;
  readonly failed: number;
  readonly dropped: number;
  readonly intervalMbitPerSecond: number;
  readonly lagP99Ms: number | null;
  /** What is due and not taken, now, of the stream that waits longest. */
  readonly untakenMs: number;
  readonly loopLagMs: number;
}

export interface PublishOptions {
  /** `%d` is the number of the stream, from 1. */
  readonly url: string;
  readonly streams: number;
  /** An FLV file. */
  readonly file: string;
  readonly client?: Pick<ClientOptions, 'allowRemote' | 'allowHosts' | 'webrtc'>;
  /** Left out: until `signal`. */
  readonly durationMs?: number;
  readonly signal?: AbortSignal;
  readonly onTick?: (tick: PublishTick) => void;
  /** After every tick: all that was measured until then, in the form of the end. */
  readonly onFigures?: (figures: PublishFigures) => void;
}

/** The shape of `Publish` in reports/results.ts. */
export interface PublishFigures extends PublishedFigures {
  readonly urls: string[];
  readonly seconds: number;
  readonly clients: { requested: number; joined: number; failed: number; dropped: number };
  readonly reasons: Record<string, number>;
  readonly bytes: number;
  /** Video frames. */
  readonly frames: number;
  /** By how much items were sent later than due. */
  readonly lag: DistributionFigures;
  readonly untaken: UntakenFigures;
  readonly generator: GeneratorFigures;
}

/** How long items that were due were not taken by the server, in ms. */
export interface UntakenFigures {
  /** What is allowed. */
  readonly boundMs: number;
  /** At any time, of the stream that waited longest. */
  readonly worstMs: number;
  /** Now, or at the end, of the streams that are open. */
  readonly lastMs: number;
  /** As `worstMs`, with what our own event loop was late. */
  readonly lateMs: number;
  /** Streams that waited for longer than `boundMs`. */
  readonly streams: number;
}

const TICK_MS = 1000;

/** Publishes. Ends early when every publisher is gone. */
export async function runPublish(options: PublishOptions): Promise<PublishFigures> {
  if (options.streams > 1 && !hasNumber(options.url)) {
    throw new Error(`${options.streams} streams need a %d in the URL, there is none in ${options.url}`);
  }
  const urls = Array.from({ length: options.streams }, (_, index) => numbered(options.url, index + 1));
  const started = new Set<Publication>();
  const reasons: Record<string, number> = {};
  let failed = 0;
  let dropped = 0;
  const allGone = new AbortController();
  const publishing = new Publishing(MediaSource.load(options.file), {
    onStart: (publication) => void started.add(publication),
    onEnd: (publication) => {
      const { closed } = publication.client;
      if (closed === undefined || closed.reason === 'local') return;
      reasons[closed.code] = (reasons[closed.code] ?? 0) + 1;
      if (started.has(publication)) dropped++;
      else failed++;
      if (dropped + failed === options.streams) allGone.abort();
    },
  });
  const health = new HealthMonitor();
  const startedAt = performance.now();
  const publications = urls.map((url, index) =>
    publishing.add(url, sourceOptions(url, index, options.client)),
  );
  let last = { at: startedAt, bytes: 0 };
  let reading = health.read();
  const figures = (): PublishFigures => ({
    urls,
    seconds: (performance.now() - startedAt) / 1000,
    clients: { requested: options.streams, joined: started.size, failed, dropped },
    reasons: { ...reasons },
    bytes: bytesSent(),
    frames: publications.reduce((sum, publication) => sum + publication.frames, 0),
    lag: publishing.lag.toDistribution(),
    untaken: {
      boundMs: TAKEN_WITHIN_MS,
      worstMs: Math.max(0, ...publications.map(({ worstUntakenMs }) => worstUntakenMs)),
      lastMs: publishing.untakenMs,
      lateMs: publishing.latestUntakenMs,
      streams: publications.filter(({ worstUntakenMs }) => worstUntakenMs > TAKEN_WITHIN_MS).length,
    },
    generator: judgeGenerator([reading], Number.POSITIVE_INFINITY),
    ...publishedFigures(publications.map(({ client }) => client)),
  });
  const bytesSent = (): number => publications.reduce((sum, publication) => sum + publication.bytes, 0);
  const ticks = setInterval(() => {
    const now = performance.now();
    const bytes = bytesSent();
    reading = health.read();
    options.onTick?.({
      second: (now - startedAt) / 1000,
      requested: options.streams,
      publishing: started.size - dropped,
      failed,
      dropped,
      intervalMbitPerSecond: ((bytes - last.bytes) * 8) / 1000 / (now - last.at),
      lagP99Ms: publishing.lag.percentile(99),
      untakenMs: publishing.untakenMs,
      loopLagMs: reading.loopLagMs,
    });
    last = { at: now, bytes };
    options.onFigures?.(figures());
  }, TICK_MS);
  const signal =
    options.signal === undefined ? allGone.signal : AbortSignal.any([options.signal, allGone.signal]);
  await delay(options.durationMs ?? Number.POSITIVE_INFINITY, signal);
  clearInterval(ticks);
  reading = health.read();
  health.stop();
  const measured = figures();
  publishing.stop();
  return measured;
}

function sourceOptions(url: string, index: number, client: PublishOptions['client']): ClientOptions {
  const localAddress = clientSource(url, index, { allowRemote: client?.allowRemote ?? false });
  return { ...client, ...(localAddress !== undefined && { localAddress }) };
}

const NO_SINK: MediaSink = { begin() {}, data() {}, end() {} };

/** Throws ProtocolError(Url). */
export function assertPlayable(url: string): void {
  createPlayer(url, NO_SINK);
}

/** Resolves when the time is over, or at once when aborted. Infinity waits for the signal alone. */
async function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = Number.isFinite(ms) ? setTimeout(done, ms) : undefined;
    // An abort signal alone does not keep a process alive.
    const alive = timer === undefined ? setInterval(() => {}, 2 ** 30) : undefined;
    function done(): void {
      clearTimeout(timer);
      clearInterval(alive);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done, { once: true });
  });
}
