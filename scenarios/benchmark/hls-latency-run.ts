/** One server, one fragment length: a stamped stream, players that join one after the other, what they see. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createPlayer } from '../../drivers/create.ts';
import { LatencyHistogram } from '../../drivers/measure/histogram.ts';
import { Publishing } from '../../drivers/measure/publishing.ts';
import { MediaRecorder } from '../../drivers/measure/recorder.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import type { Cluster } from '../../lab/cluster.ts';
import { startCluster } from '../../lab/runners/process.ts';
import { nginxRtmp } from '../../lab/topologies/nginx-rtmp.ts';
import type { EngineName, Topology } from '../../lab/topology.ts';
import type { MediaPlaylist, Playlist } from '../../protocols/hls/playlist.ts';
import type { StartMode } from '../../protocols/hls/reload.ts';
import { Playhead } from './hls-latency-playhead.ts';

const MEDIA = fileURLToPath(new URL('../../fixtures/media/av-480k.flv', import.meta.url));
const SETTINGS = { mergedWriteMs: 350, queueSeconds: 30, gopCache: true };
const STARTS = ['3-segments', 'live-edge'] as const satisfies readonly StartMode[];
/** Per start mode: they join at regular moments of a fragment, since what they see depends on the moment. */
const PLAYERS = 6;
/** Room for three target durations that are rounded up, and some. */
const WINDOW_FRAGMENTS = 8;
/** Segments that are listed before anybody joins: three target durations of them are there, rounded up or not. */
const LISTED_FRAGMENTS = 6;
/** From the publish to the first playlist with that many: as long as they are, and as long again. */
const PATIENCE = 2;

/** A media node that takes RTMP and cuts HLS, which it serves itself. */
const HLS_ORIGIN: Topology = {
  name: 'hls-origin',
  title: 'One origin with HLS',
  source: 'scenarios/benchmark/hls-latency.ts',
  nodes: [{ name: 'origin', role: 'origin', upstreams: [], hls: true }],
  entries: [
    { node: 'origin', protocol: 'rtmp', use: 'publish' },
    { node: 'origin', protocol: 'hls', use: 'play' },
  ],
};

export interface LatencyTask {
  readonly engine: EngineName;
  readonly fragmentSeconds: number;
  readonly srsPath?: string;
  /** How long the last player is watched. */
  readonly watchMs: number;
  readonly signal: AbortSignal;
}

export interface LatencyRow {
  readonly engine: EngineName;
  readonly fragmentSeconds: number;
  readonly start: StartMode;
  /** Mean of the durations that the playlist gives, seconds. */
  readonly segmentSeconds: number;
  /** EXT-X-TARGETDURATION, seconds. */
  readonly targetDuration: number;
  readonly players: number;
  /** Of frames that were published after their player had joined. */
  readonly frames: number;
  /** ms from the publishing of a frame until its bytes had come; null without a frame. */
  readonly arrival: Percentiles;
  /** ms from the publishing of a frame until the player shows it. */
  readonly shown: Percentiles;
  readonly stalls: number;
  /** What players bore and counted (missing segments, stale playlists, …), by code. */
  readonly problems: Readonly<Record<string, number>>;
}

export interface Percentiles {
  readonly p50: number | null;
  readonly p99: number | null;
}

/** Rejects with LabError when the server does not come up, and with an Error when it lists no segments. */
export async function measureLatency(task: LatencyTask): Promise<LatencyRow[]> {
  const { engine, fragmentSeconds, srsPath, signal } = task;
  const runDir = mkdtempSync(join(tmpdir(), 'liveproof-hls-latency-'));
  const cluster = await startCluster({
    topology: engine === 'nginx-rtmp' ? nginxRtmp : HLS_ORIGIN,
    engine,
    runDir,
    signal,
    settings: {
      ...SETTINGS,
      hls: { fragmentSeconds, windowSeconds: WINDOW_FRAGMENTS * fragmentSeconds, sessions: false },
    },
    ...(srsPath === undefined ? {} : { srsPath }),
  });
  const publishing = new Publishing(MediaSource.load(MEDIA));
  try {
    const { publish, play } = urlsOf(cluster, `latency-${fragmentSeconds}`);
    publishing.add(publish);
    const listed = LISTED_FRAGMENTS * fragmentSeconds * 1000;
    const playlist = await untilListed(
      play,
      listed,
      AbortSignal.any([signal, AbortSignal.timeout(PATIENCE * listed + 5000)]),
    );
    return await watch(task, play, playlist);
  } finally {
    publishing.stop();
    await cluster.down();
    rmSync(runDir, { recursive: true, force: true });
  }
}

/**
 * With nginx-rtmp straight into the application that cuts HLS: the ladder's encoders, which come before it in the
 * document, would add their own delay to what is asked about.
 */
function urlsOf(cluster: Cluster, stream: string): { publish: string; play: string } {
  const publish = cluster.entry('publish', 'rtmp');
  const play = cluster.entry('play', 'hls');
  if (cluster.engine !== 'nginx-rtmp') {
    return { publish: publish.url('live', stream), play: play.url('live', stream) };
  }
  return { publish: publish.url('show', `${stream}_src`), play: play.url('show', `${stream}_src`) };
}

/** Looks with a player of its own; resolves with the first playlist that has so many milliseconds. */
function untilListed(url: string, ms: number, signal: AbortSignal): Promise<MediaPlaylist> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      signal.removeEventListener('abort', late);
      player.close();
      outcome();
    };
    const late = () => settle(() => reject(new Error(`${url} does not list ${ms} ms of segments`)));
    const player = createPlayer(
      url,
      new MediaRecorder(() => {}),
      { hls: { maxRetries: Number.MAX_SAFE_INTEGER } },
      {
        onPlaylist: (_, playlist) => {
          if (isLongEnough(playlist, ms)) settle(() => resolve(playlist));
        },
      },
    );
    signal.addEventListener('abort', late, { once: true });
    player.open();
  });
}

function isLongEnough(playlist: Playlist, ms: number): playlist is MediaPlaylist {
  if (playlist.kind !== 'media') return false;
  return playlist.segments.reduce((sum, { duration }) => sum + duration, 0) * 1000 > ms - 500;
}

async function watch(task: LatencyTask, url: string, playlist: MediaPlaylist): Promise<LatencyRow[]> {
  const { engine, fragmentSeconds, watchMs, signal } = task;
  const groups = STARTS.map((start) => new Group(url, start));
  const segments = playlist.segments.map(({ duration }) => duration);
  try {
    for (let i = 0; i < PLAYERS; i++) {
      for (const group of groups) group.join();
      await sleep((fragmentSeconds * 1000) / PLAYERS, undefined, { signal });
    }
    await sleep(watchMs, undefined, { signal });
  } finally {
    for (const group of groups) group.close();
  }
  return groups.map((group) => ({
    engine,
    fragmentSeconds,
    segmentSeconds: segments.reduce((sum, duration) => sum + duration, 0) / segments.length,
    targetDuration: playlist.targetDuration,
    ...group.figures(),
  }));
}

/** Players of one start mode. */
class Group {
  readonly #url: string;
  readonly #start: StartMode;
  readonly #players: { close(): void }[] = [];
  readonly #playheads: Playhead[] = [];
  readonly #arrival = new LatencyHistogram();
  readonly #shown = new LatencyHistogram();
  readonly #problems: Record<string, number> = {};

  constructor(url: string, start: StartMode) {
    this.#url = url;
    this.#start = start;
  }

  join(): void {
    const playhead = new Playhead((latency) => this.#shown.record(latency));
    const recorder = new MediaRecorder((item, now) => {
      if (item.kind !== 'video' || item.stamp === null) return;
      const { sentAt } = item.stamp;
      if (sentAt > player.timing.started) this.#arrival.record(now - sentAt);
      playhead.frame(item.timestamp, sentAt, now);
    });
    const player = createPlayer(
      this.#url,
      recorder,
      { hls: { start: this.#start } },
      {
        onProblem: (_, code) => {
          this.#problems[code] = (this.#problems[code] ?? 0) + 1;
        },
      },
    );
    this.#players.push(player);
    this.#playheads.push(playhead);
    player.open();
  }

  close(): void {
    for (const player of this.#players) player.close();
  }

  figures(): Pick<LatencyRow, 'start' | 'players' | 'frames' | 'arrival' | 'shown' | 'stalls' | 'problems'> {
    return {
      start: this.#start,
      players: this.#players.length,
      frames: this.#arrival.count,
      arrival: percentilesOf(this.#arrival),
      shown: percentilesOf(this.#shown),
      stalls: this.#playheads.reduce((sum, { stalls }) => sum + stalls, 0),
      problems: this.#problems,
    };
  }
}

function percentilesOf(histogram: LatencyHistogram): Percentiles {
  return { p50: histogram.percentile(50), p99: histogram.percentile(99) };
}
