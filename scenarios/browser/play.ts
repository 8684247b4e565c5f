/** Publishes a stream with the clock in its pictures, and plays it in a page and with a driver of ours at the same time. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import type { Client, Closed } from '../../drivers/client.ts';
import { createPlayer } from '../../drivers/create.ts';
import { wallClock } from '../../drivers/measure/clock.ts';
import { Publishing } from '../../drivers/measure/publishing.ts';
import { MediaRecorder } from '../../drivers/measure/recorder.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import { signallingUrl } from '../../drivers/webrtc/endpoint.ts';
import type { Cluster } from '../../lab/cluster.ts';
import { ProtocolError } from '../../protocols/errors.ts';
import { parsePlaylist } from '../../protocols/hls/parse.ts';
import type { Playlist } from '../../protocols/hls/playlist.ts';
import { MediaType } from '../../protocols/media.ts';
import { HLS_LISTED_WITHIN_MS, LISTED_TARGETS, STARTS_WITHIN_MS, WARM_UP_MS, WATCH_MS } from './bounds.ts';
import type {
  Arrival,
  BrowserProtocol,
  BrowserRecord,
  DriverRecord,
  PageApi,
  PageRecord,
  Span,
} from './record.ts';

const MEDIA_FILE = fileURLToPath(new URL('../../fixtures/media/clock-240k.flv', import.meta.url));
const APP = 'live';
/** Of the clocks: the shortest of so many round trips bounds their difference best. */
const CLOCK_ROUNDS = 20;
const POLL_MS = 100;

declare global {
  // In the page only: the functions that are given to `page.evaluate` run there.
  var liveproof: PageApi;
}

export interface PlayTask {
  readonly cluster: Cluster;
  readonly protocol: BrowserProtocol;
  /** Its name; nobody else's. */
  readonly stream: string;
  readonly page: Page;
  readonly pageUrl: string;
}

/** Rejects when the stream cannot be published, or HLS is not listed in time. What players meet is in the record. */
export async function playInBrowser(task: PlayTask): Promise<BrowserRecord> {
  const { cluster, protocol, stream, page, pageUrl } = task;
  const url = cluster.entry('play', protocol).url(APP, stream);
  const source = MediaSource.load(MEDIA_FILE);
  const publication = new NumberedPublication(source);
  const holders: Client[] = [];
  const driver = new Driver(url);
  const console = consoleOf(page);
  try {
    await publication.start(cluster.entry('publish', 'rtmp').url(APP, stream));
    if (protocol === 'hls') {
      holders.push(...holdEdges(cluster, stream));
      await untilListed(url);
    } else {
      await delay(WARM_UP_MS);
    }
    await page.goto(pageUrl);
    const clockAhead = await compareClocks(page);
    const loop = monitorEventLoopDelay({ resolution: 10 });
    loop.enable();
    driver.start();
    const request = { protocol, url: protocol === 'webrtc' ? signallingUrl(url, 'whep').href : url };
    await page.evaluate((what) => liveproof.start(what), request);
    const shows = await page.evaluate((ms) => liveproof.shows(ms), STARTS_WITHIN_MS[protocol]);
    if (shows) await delay(WATCH_MS);
    const seen: PageRecord = await page.evaluate(() => liveproof.record());
    loop.disable();
    return {
      protocol,
      url,
      loop: source.frames,
      sent: publication.sent,
      page: seen,
      driver: driver.record(),
      clockAhead,
      console,
      targetMs: driver.targetMs,
      loopLagMs: Math.max(0, loop.max / 1e6 - 10),
    };
  } finally {
    driver.stop();
    for (const holder of holders) holder.close();
    publication.stop();
  }
}

/** Remembers when it sent which frame. */
class NumberedPublication {
  readonly sent: number[] = [];
  readonly #publishing: Publishing;
  #started = (): void => {};
  #failed = (_: Error): void => {};

  constructor(source: MediaSource) {
    this.#publishing = new Publishing(source, {
      onStart: () => this.#started(),
      onSent: ({ frames }, type, _, __, now) => {
        // Sequence headers go before the first frame.
        if (type === MediaType.video && frames > 0) this.sent[frames - 1] = now;
      },
      onEnd: ({ client }) =>
        this.#failed(new Error(`the stream cannot be published: ${wordsOf(client.closed)}`)),
    });
  }

  start(url: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#started = resolve;
      this.#failed = reject;
      this.#publishing.add(url);
    });
  }

  stop(): void {
    this.#publishing.stop();
  }
}

/** A player of ours, which keeps when each frame had come. */
class Driver {
  targetMs = 0;
  readonly #arrivals: Arrival[] = [];
  #closed: string | null = null;
  readonly #player;

  constructor(url: string) {
    const recorder = new MediaRecorder(({ kind, stamp }, at) => {
      if (kind === 'video' && stamp !== null)
        this.#arrivals.push({ frame: stamp.frame, sentAt: stamp.sentAt, at });
    });
    this.#player = createPlayer(
      url,
      recorder,
      {},
      {
        onPlaylist: (_, playlist) => {
          if (playlist.kind === 'media') this.targetMs = playlist.targetDuration * 1000;
        },
        onClosed: (_, closed) => {
          if (closed.reason !== 'local') this.#closed = wordsOf(closed);
        },
      },
    );
  }

  start(): void {
    this.#player.open();
  }

  record(): DriverRecord {
    return { startedAt: this.#player.timing.started, arrivals: [...this.#arrivals], closed: this.#closed };
  }

  stop(): void {
    this.#player.close();
  }
}

function wordsOf(closed: Closed | undefined): string {
  return closed === undefined
    ? 'unknown'
    : `${closed.reason} while ${closed.during}: ${closed.code} ${closed.detail}`;
}

/** What the browser complains of: refusals of the same-origin policy are told nowhere else. */
function consoleOf(page: Page): string[] {
  const lines: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') lines.push(message.text());
  });
  page.on('pageerror', (error) => lines.push(error.message));
  return lines;
}

/** The shortest round trip says most. */
async function compareClocks(page: Page): Promise<Span> {
  let best: Span = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };
  for (let round = 0; round < CLOCK_ROUNDS; round++) {
    const before = wallClock.now();
    const there = await page.evaluate(() => liveproof.now());
    const after = wallClock.now();
    if (after - before < best.to - best.from) best = { from: there - after, to: there - before };
  }
  return best;
}

/** An edge fetches and cuts a stream only while somebody plays it there (facts/srs.md 1.2). */
function holdEdges(cluster: Cluster, stream: string): Client[] {
  const edges = [...cluster.nodes.values()].filter(({ spec }) => spec.role === 'edge' && spec.hls === true);
  return edges.map(({ spec }) => {
    const holder = createPlayer(
      cluster.entry('play', 'rtmp', spec.name).url(APP, stream),
      new MediaRecorder(() => {}),
    );
    holder.open();
    return holder;
  });
}

/**
 * Until a media playlist has so many target durations in it that a player can begin where it wants to. One that breaks the
 * grammar is the browser's to judge.
 */
async function untilListed(url: string): Promise<void> {
  const end = performance.now() + HLS_LISTED_WITHIN_MS;
  let media = url;
  for (;;) {
    const playlist = await playlistAt(media);
    if (playlist === 'malformed') return;
    if (playlist?.kind === 'master') {
      media = new URL(playlist.variants[0]!.uri, media).href;
      continue;
    }
    if (playlist !== undefined) {
      const listed = playlist.segments.reduce((sum, { duration }) => sum + duration, 0);
      if (listed >= LISTED_TARGETS * playlist.targetDuration) return;
    }
    if (performance.now() > end) {
      throw new Error(
        `${media} does not list ${LISTED_TARGETS} target durations within ${HLS_LISTED_WITHIN_MS} ms`,
      );
    }
    await delay(POLL_MS);
  }
}

/** Undefined when it is not there yet. */
async function playlistAt(url: string): Promise<Playlist | 'malformed' | undefined> {
  const response = await fetch(url).catch(() => undefined);
  if (!response?.ok) return undefined;
  try {
    return parsePlaylist(await response.text());
  } catch (error) {
    if (error instanceof ProtocolError) return 'malformed';
    throw error;
  }
}
