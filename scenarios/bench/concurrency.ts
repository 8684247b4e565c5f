/** How many players, publishers and joins per second a cluster carries. */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { addCounts } from '../../drivers/swarm/counts.ts';
import { MAX_LOOP_LAG_P99_MS } from '../../drivers/swarm/health.ts';
import type { PublishFigures } from '../../drivers/swarm/load.ts';
import type { BenchLadder, BenchStep } from '../../reports/results-bench.ts';
import { MEDIA } from '../benchmark/children.ts';
import type { BenchContext } from './context.ts';
import { endingOf, perClientOf } from './gave-way.ts';
import { climb, climbFromFoot } from './ladder.ts';
import { rampOf } from './latency.ts';
import { type Measured, measure } from './measure.ts';
import type { Protocol, PublishProtocol } from './profile.ts';
import { Publishers } from './publishers.ts';
import { APP, type Seat, type Site } from './site.ts';
import { breachesOf, type SloScope } from './slo.ts';

type Climb = BenchLadder['climbs'];

/** Streams of a step of publishers that are watched: each by one player. */
const WATCHED_STREAMS = 40;
/** However long they take: one alone tells nothing. */
const LEAST_STEPS = 3;
const PUBLISHERS_START_MS = 8000;
/** What a step leaves behind: closed connections, and V8's garbage at builtin nodes. */
const REST_MS = 300;

/**
 * SRS keeps no frames since the last keyframe for players of SRT and WebRTC (facts/srs.md 8, 9): until the next one they wait
 * for the publisher, and not for the server.
 */
const WAITS_FOR_KEYFRAME: readonly Protocol[] = ['srt', 'webrtc'];

interface Rung {
  readonly climbs: Climb;
  readonly protocol: string;
  readonly at: string;
  readonly start: number;
  readonly limit: number;
  readonly attempt: (value: number) => Promise<BenchStep | undefined>;
}

export function measurePlayers(
  site: Site,
  seat: Seat,
  start: number,
  context: BenchContext,
): Promise<BenchLadder> {
  const { ladder } = context.profile;
  return ascend(site, context, {
    climbs: 'players',
    protocol: seat.protocol,
    at: seat.entry.node,
    start,
    limit: Math.min(ladder.limit, site.mostPlayers(seat.entry)),
    attempt: (players) => stepOfPlayers(site, seat, players, context),
  });
}

/** Undefined when it was interrupted. */
export async function stepOfPlayers(
  site: Site,
  seat: Seat,
  players: number,
  context: BenchContext,
): Promise<BenchStep | undefined> {
  const rampMs = Math.min(rampOf(players, { joinRate: 1000 }), context.profile.ladder.budgetMs / 3);
  const measured = await play(site, seat, players, rampMs, context);
  return stepOf(players, measured, context, seat.protocol, 'play');
}

/** @param start joins per second. */
export function measureJoins(
  site: Site,
  seat: Seat,
  start: number,
  context: BenchContext,
): Promise<BenchLadder> {
  const { ladder } = context.profile;
  return ascend(site, context, {
    climbs: 'joins',
    protocol: seat.protocol,
    at: seat.entry.node,
    start,
    limit: Math.floor((Math.min(ladder.limit, site.mostPlayers(seat.entry)) / ladder.joinMs) * 1000),
    attempt: async (perSecond) => {
      const players = Math.ceil((perSecond * ladder.joinMs) / 1000);
      const measured = await play(site, seat, players, ladder.joinMs, context);
      const { slo } = context;
      const startupMs = slo.startupMs + (WAITS_FOR_KEYFRAME.includes(seat.protocol) ? site.keyframeMs : 0);
      return stepOf(perSecond, measured, { slo: { ...slo, startupMs } }, seat.protocol, 'join');
    },
  });
}

export function measurePublishers(
  site: Site,
  protocol: PublishProtocol,
  start: number,
  context: BenchContext,
): Promise<BenchLadder> {
  const { ladder } = context.profile;
  const publish = site.cluster.entry('publish', protocol);
  return ascend(site, context, {
    climbs: 'publishers',
    protocol,
    at: publish.node,
    start,
    limit: Math.min(ladder.limit, site.mostPlayers(publish)),
    attempt: (streams) => stepOfPublishers(site, protocol, streams, context),
  });
}

/** Undefined when it was interrupted. */
export async function stepOfPublishers(
  site: Site,
  protocol: PublishProtocol,
  streams: number,
  context: BenchContext,
): Promise<BenchStep | undefined> {
  const watched = watchedOver(site, protocol);
  const name = manyOf(protocol, streams);
  const url = site.cluster.entry('publish', protocol).url(APP, `${name}-%d`);
  const publishers = new Publishers({ url, streams, file: MEDIA });
  try {
    await publishers.start(PUBLISHERS_START_MS, context.signal);
    const measured = await watchStreams(site, watched, name, streams, context);
    return withPublishers(streams, measured, await publishers.stop(), watched, context);
  } catch (error) {
    if (context.signal.aborted) return undefined;
    throw error;
  } finally {
    await publishers.stop();
  }
}

async function ascend({ cluster }: Site, context: BenchContext, rung: Rung): Promise<BenchLadder> {
  const { profile, signal } = context;
  const { factor, resolution, budgetMs } = profile.ladder;
  const { climbs, protocol, at, start, limit } = rung;
  const deadline = performance.now() + budgetMs;
  let longest = 0;
  let tried = 0;
  // A step takes about as long as the longest before it.
  const isOver = (): boolean => tried >= LEAST_STEPS && performance.now() + longest > deadline;
  // Faster is not more: of joins every step has as many seconds, and a client's share is not told.
  const isPerClient = climbs !== 'joins';
  const way = isPerClient ? climbFromFoot : climb;
  const climbed = await way<BenchStep>({ start, limit, factor, resolution, isOver }, async (value) => {
    if (signal.aborted) return undefined;
    context.show(`${climbs}: ${value}${climbs === 'joins' ? '/s' : ''} over ${protocol} at ${at}`);
    const began = performance.now();
    tried++;
    const step = await rung.attempt(value);
    if (step !== undefined) await sleep(REST_MS);
    longest = Math.max(longest, performance.now() - began);
    return step;
  });
  return {
    topology: cluster.topology.name,
    engine: cluster.engine,
    climbs,
    protocol,
    at,
    steps: [...climbed.steps],
    ...endingOf(climbed, { limit, cores: availableParallelism() }),
    perClient: perClientOf(isPerClient ? climbed.steps : []),
  };
}

function play(
  site: Site,
  seat: Seat,
  players: number,
  rampMs: number,
  { profile, signal }: BenchContext,
): Promise<Measured | undefined> {
  const { steadyMs } = profile.ladder;
  return measure({
    site,
    urls: [seat.url],
    players,
    rampMs,
    steadyMs: seat.protocol === 'hls' ? Math.max(steadyMs, profile.hlsSteadyMs) : steadyMs,
    ...(seat.hls && { client: { hls: seat.hls } }),
    signal,
  });
}

/** No two steps publish the same: a server may keep a name busy for a moment. */
function manyOf(protocol: PublishProtocol, streams: number): string {
  return `many-${protocol}-${streams}`;
}

/** What was published, as it is: RTMP where the cluster plays it over nothing else. */
function watchedOver({ cluster }: Site, published: PublishProtocol): PublishProtocol {
  const isPlayed = cluster.entries.some(({ use, protocol }) => use === 'play' && protocol === published);
  return isPlayed ? published : 'rtmp';
}

/** Players spread over the streams, from the first to the last. */
function watchStreams(
  site: Site,
  protocol: Protocol,
  name: string,
  streams: number,
  { profile, signal }: BenchContext,
): Promise<Measured | undefined> {
  const players = Math.min(streams, WATCHED_STREAMS);
  const entry = site.cluster.entry('play', protocol);
  const urls = Array.from({ length: players }, (_, index) =>
    entry.url(APP, `${name}-${1 + Math.floor((index * streams) / players)}`),
  );
  return measure({
    site,
    urls,
    players,
    rampMs: 250,
    steadyMs: profile.ladder.steadyMs,
    signal,
  });
}

function stepOf(
  value: number,
  measured: Measured | undefined,
  { slo }: Pick<BenchContext, 'slo'>,
  protocol: string,
  scope: SloScope,
): BenchStep | undefined {
  if (measured === undefined) return undefined;
  const { slo: figures, generator, server, machineShare, bytes, seconds } = measured;
  const breaches = breachesOf(figures, slo, protocol, scope);
  return {
    value,
    holds: breaches.length === 0 && generator.healthy,
    breaches,
    reasons: { ...measured.reasons },
    joinedShare: figures.joinedShare,
    stallRatio: figures.stallRatio,
    lossRatio: figures.lossRatio,
    latencyP99: figures.latencyP99,
    startupP99: figures.startupP99,
    mbitPerSecond: seconds > 0 ? (bytes * 8) / 1e6 / seconds : 0,
    server,
    machineShare,
    generator,
  };
}

/** Those who publish are the clients then: their joining counts, and their process is part of the generator. */
function withPublishers(
  streams: number,
  measured: Measured | undefined,
  published: PublishFigures | undefined,
  watched: Protocol,
  context: BenchContext,
): BenchStep | undefined {
  if (measured === undefined) return undefined;
  const { clients, reasons: refusals, generator, lag, bytes, seconds } = published ?? NO_PUBLISHERS;
  const reasons = [...generator.reasons];
  if ((lag.p99 ?? 0) > MAX_LOOP_LAG_P99_MS) {
    reasons.push(`frames were sent ${Math.round(lag.p99!)} ms late (p99), at most ${MAX_LOOP_LAG_P99_MS} ms`);
  }
  const all = [...measured.generator.reasons, ...reasons.map((reason) => `publishers: ${reason}`)];
  return stepOf(
    streams,
    {
      ...measured,
      bytes,
      seconds,
      reasons: addCounts({}, [{ ...measured.reasons }, refusals]),
      slo: {
        ...measured.slo,
        joinedShare: Math.min(measured.slo.joinedShare, (clients.joined - clients.dropped) / streams),
      },
      generator: {
        ...measured.generator,
        healthy: all.length === 0,
        reasons: all,
        loopLagP99Ms: Math.max(measured.generator.loopLagP99Ms, generator.loopLagP99Ms),
        cpuCores: measured.generator.cpuCores + generator.cpuCores,
        rssMb: measured.generator.rssMb + generator.rssMb,
      },
    },
    context,
    watched,
    'play',
  );
}

const NO_PUBLISHERS = {
  clients: { joined: 0, dropped: 0 },
  reasons: {},
  generator: { reasons: ['their process died'], loopLagP99Ms: 0, cpuCores: 0, rssMb: 0 },
  lag: { p99: null },
  bytes: 0,
  seconds: 0,
};
