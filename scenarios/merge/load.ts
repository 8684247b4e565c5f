/** Loads of several generators as the load that they were together. Counters are added, histograms merged, nothing is averaged. */
import { LatencyHistogram } from '../../drivers/measure/histogram.ts';
import { addCounts, addStandings } from '../../drivers/swarm/counts.ts';
import { worstPlayers } from '../../drivers/swarm/srt-figures.ts';
import type {
  Distribution,
  GeneratorHealth,
  HlsLoad,
  Load,
  LoadSecond,
  SrtLoad,
  WebRtcLoad,
} from '../../reports/results.ts';
import { MergeError } from './errors.ts';

/**
 * Exact, but for what a histogram can tell: its buckets are the same in every generator, so percentiles are those of one
 * big run. Shards that are missing are not made up for.
 * @param loads of shards, in the order of their indices.
 * @throws MergeError for figures that cannot be added.
 */
export function mergeLoads(loads: readonly Load[]): Load {
  const sum = (of: (load: Load) => number): number => loads.reduce((total, load) => total + of(load), 0);
  const all = (of: (load: Load) => Distribution): Distribution => mergeDistributions(loads.map(of));
  const stalledMs = sum(({ stalls }) => known(stalls.stalledMs, 'stalledMs'));
  const watchedMs = sum(({ stalls }) => known(stalls.watchedMs, 'watchedMs'));
  // Those of a liveproof of before have none.
  const ofUrls = loads.flatMap(({ stalls }) => (stalls.ofUrls === undefined ? [] : [stalls.ofUrls]));
  const hls = loads.flatMap((load) => load.hls ?? []);
  const srt = loads.flatMap((load) => load.srt ?? []);
  const webrtc = loads.flatMap((load) => load.webrtc ?? []);
  return {
    urls: loads[0]!.urls,
    seconds: Math.max(...loads.map(({ seconds }) => seconds)),
    clients: addCounts(
      { requested: 0, joined: 0, failed: 0, dropped: 0 },
      loads.map(({ clients }) => clients),
    ),
    reasons: addCounts(
      {},
      loads.map(({ reasons }) => reasons),
    ),
    bytes: sum(({ bytes }) => bytes),
    startup: all(({ startup }) => startup),
    latency: { join: all(({ latency }) => latency.join), steady: all(({ latency }) => latency.steady) },
    stalls: {
      count: sum(({ stalls }) => stalls.count),
      ratio: watchedMs > 0 ? stalledMs / watchedMs : 0,
      lasting: sum(({ stalls }) => stalls.lasting),
      ...(ofUrls.length === loads.length && { ofUrls: addStandings(ofUrls) }),
      stalledMs,
      watchedMs,
    },
    frames: addCounts(
      { received: 0, unstamped: 0, missing: 0, duplicated: 0, reordered: 0, corrupt: 0 },
      loads.map(({ frames }) => frames),
    ),
    generator: mergeGenerators(loads),
    timeline: mergeTimelines(loads.map(({ timeline }) => timeline)),
    ...(hls.length > 0 && { hls: mergeHls(hls) }),
    ...(srt.length > 0 && { srt: mergeSrt(srt) }),
    ...(webrtc.length > 0 && { webrtc: mergeWebRtc(webrtc) }),
  };
}

function known(value: number | undefined, name: string): number {
  if (value !== undefined) return value;
  throw new MergeError(`stalls.${name} is missing: the results are of a liveproof that could not be merged`);
}

/** @throws MergeError for one that has samples and no histogram. */
export function mergeDistributions(distributions: readonly Distribution[]): Distribution {
  const histogram = new LatencyHistogram();
  for (const { count, hdr } of distributions) {
    if (count === 0) continue;
    if (hdr === undefined) throw new MergeError(`${count} samples without their histogram (hdr)`);
    mergeInto(histogram, hdr);
  }
  return histogram.toDistribution();
}

function mergeInto(histogram: LatencyHistogram, hdr: string): void {
  try {
    histogram.mergeEncoded(hdr);
  } catch (error) {
    throw new MergeError(`a histogram (hdr) cannot be read: ${(error as Error).message}`);
  }
}

/** As many processes on as many machines: each must be healthy. */
function mergeGenerators(loads: readonly Load[]): GeneratorHealth {
  const all = loads.map(({ generator }) => generator);
  return {
    healthy: all.every(({ healthy }) => healthy),
    reasons: loads.flatMap(({ generator, shard }) =>
      generator.reasons.map((reason) => (shard === undefined ? reason : `shard ${shard.index}: ${reason}`)),
    ),
    loopLagP99Ms: Math.max(...all.map(({ loopLagP99Ms }) => loopLagP99Ms)),
    cpuCores: all.reduce((total, { cpuCores }) => total + cpuCores, 0),
    rssMb: all.reduce((total, { rssMb }) => total + rssMb, 0),
    udpDrops: all.reduce((total, { udpDrops }) => total + (udpDrops ?? 0), 0),
  };
}

/** By the seconds' numbers: shards begin at the same time. What a shard does not tell of a second is what it told last. */
function mergeTimelines(timelines: readonly (readonly LoadSecond[])[]): LoadSecond[] {
  const numbers = new Set(timelines.flatMap((timeline) => timeline.map(({ second }) => second)));
  return [...numbers]
    .toSorted((a, b) => a - b)
    .map((second) => {
      const now = timelines.flatMap((timeline) => timeline.filter((one) => one.second === second));
      const latest = timelines.flatMap((timeline) => timeline.findLast((one) => one.second <= second) ?? []);
      const steady = mergeDistributions(
        now.map(({ latencyP50, latencyHdr }) => ({
          ...NO_SAMPLE,
          count: latencyP50 === null ? 0 : 1,
          ...(latencyHdr !== undefined && { hdr: latencyHdr }),
        })),
      );
      return {
        second,
        joined: latest.reduce((total, { joined }) => total + joined, 0),
        failed: latest.reduce((total, { failed }) => total + failed, 0),
        mbitPerSecond: timelines.reduce((total, timeline) => total + rateIn(timeline, second), 0),
        latencyP50: steady.p50,
        latencyP99: steady.p99,
        ...(steady.hdr !== undefined && { latencyHdr: steady.hdr }),
        stalls: now.reduce((total, { stalls }) => total + stalls, 0),
        loopLagMs: Math.max(...now.map(({ loopLagMs }) => loopLagMs)),
      };
    });
}

/** Ticks drift: one may tell of two seconds, under the number of the second one, and two may have one number. */
function rateIn(timeline: readonly LoadSecond[], second: number): number {
  const told = timeline.filter((one) => one.second === second);
  const [next] = told.length > 0 ? told : timeline.filter((one) => one.second > second);
  if (next === undefined || timeline[0]!.second > second) return 0;
  const rates = told.length > 0 ? told : [next];
  return rates.reduce((total, { mbitPerSecond }) => total + mbitPerSecond, 0) / rates.length;
}

const NO_SAMPLE = { p50: null, p90: null, p99: null, p999: null, max: null };

type HlsRequests = Pick<HlsLoad['segments'], 'requests' | 'failed' | 'missing' | 'bytes'>;

function mergeHls(all: readonly HlsLoad[]): HlsLoad {
  const requests = (of: readonly HlsRequests[]): HlsRequests =>
    addCounts(
      { requests: 0, failed: 0, missing: 0, bytes: 0 },
      of.map(({ requests, failed, missing, bytes }) => ({ requests, failed, missing, bytes })),
    );
  return {
    playlists: {
      ...requests(all.map(({ playlists }) => playlists)),
      time: mergeDistributions(all.map(({ playlists }) => playlists.time)),
      staleness: mergeDistributions(all.map(({ playlists }) => playlists.staleness)),
    },
    segments: {
      ...requests(all.map(({ segments }) => segments)),
      time: mergeDistributions(all.map(({ segments }) => segments.time)),
    },
    retries: all.reduce((total, { retries }) => total + retries, 0),
    resends: all.reduce((total, { resends }) => total + resends, 0),
    finished: all.reduce((total, { finished }) => total + finished, 0),
    problems: addCounts(
      {},
      all.map(({ problems }) => problems),
    ),
    targetDurationMs: Math.max(...all.map(({ targetDurationMs }) => targetDurationMs)),
  };
}

function mergeSrt(all: readonly SrtLoad[]): SrtLoad {
  const [first, ...others] = all;
  const sum = (of: (load: SrtLoad) => number): number => all.reduce((total, load) => total + of(load), 0);
  return {
    players: sum(({ players }) => players),
    packets: addCounts(
      { ...first!.packets },
      others.map(({ packets }) => packets),
    ),
    naks: sum(({ naks }) => naks),
    playersWithLoss: sum(({ playersWithLoss }) => playersWithLoss),
    playersWithDrops: sum(({ playersWithDrops }) => playersWithDrops),
    worstDropped: Math.max(...all.map(({ worstDropped }) => worstDropped)),
    worst: worstPlayers(all.flatMap(({ worst }) => worst ?? [])),
    latencyMs: Math.max(...all.map(({ latencyMs }) => latencyMs)),
    rtt: mergeDistributions(all.map(({ rtt }) => rtt)),
    problems: addCounts(
      {},
      all.map(({ problems }) => problems),
    ),
  };
}

/** @throws MergeError for two transports: they tell different things. */
function mergeWebRtc(all: readonly WebRtcLoad[]): WebRtcLoad {
  const [first, ...others] = all;
  const { transport } = first!;
  if (others.some((load) => load.transport !== transport)) {
    throw new MergeError('players of both WebRTC transports, lite and datachannel');
  }
  const sum = (of: (load: WebRtcLoad) => number): number => all.reduce((total, load) => total + of(load), 0);
  return {
    transport,
    players: sum(({ players }) => players),
    offers: {
      requests: sum(({ offers }) => offers.requests),
      failed: sum(({ offers }) => offers.failed),
      time: mergeDistributions(all.map(({ offers }) => offers.time)),
    },
    rtp: addCounts(
      { ...first!.rtp },
      others.map(({ rtp }) => rtp),
    ),
    srtp: addCounts(
      { ...first!.srtp },
      others.map(({ srtp }) => srtp),
    ),
    framesVerified: sum(({ framesVerified }) => framesVerified),
    playersWithLoss: sum(({ playersWithLoss }) => playersWithLoss),
    worstLost: Math.max(...all.map(({ worstLost }) => worstLost)),
    jitter: mergeDistributions(all.map(({ jitter }) => jitter)),
    problems: addCounts(
      {},
      all.map(({ problems }) => problems),
    ),
  };
}
