/**
 * One builtin origin in a process of its own; publishers, players and the taps between them in this process, where one clock
 * stamps and reads, and one event loop is watched.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Publication, Publishing } from '../../drivers/measure/publishing.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import { HealthMonitor, judgeGenerator } from '../../drivers/swarm/health.ts';
import type { Cluster, Entry } from '../../lab/cluster.ts';
import { startCluster } from '../../lab/runners/process.ts';
import type { EntryProtocol, Topology } from '../../lab/topology.ts';
import { isSequenceHeader } from '../../protocols/flv/body.ts';
import { MediaType } from '../../protocols/media.ts';
import { MEDIA } from '../benchmark/children.ts';
import { Link } from './link.ts';
import { type RigHealth, SEGMENT_MS, type TruthProtocol, WRITE_MS } from './rows.ts';
import { Seat, type SeatOptions } from './seat.ts';

const PLAYED: readonly EntryProtocol[] = ['rtmp', 'flv', 'hls', 'srt', 'webrtc'];
const TOPOLOGY: Topology = {
  name: 'truth',
  title: 'One origin',
  source: 'npm run truth',
  nodes: [{ name: 'origin', role: 'origin', upstreams: [], hls: true, srt: 'open', rtc: true }],
  entries: [
    ...(['rtmp', 'srt'] as const).map((protocol) => ({ node: 'origin', protocol, use: 'publish' as const })),
    ...PLAYED.map((protocol) => ({ node: 'origin', protocol, use: 'play' as const })),
  ],
};
const SETTINGS = {
  mergedWriteMs: WRITE_MS,
  hls: { fragmentSeconds: SEGMENT_MS / 1000, windowSeconds: 20, sessions: false },
  // Longer than the longest cut.
  srt: { peerIdleMs: 30_000 },
};
const APP = 'truth';
const PUBLISHED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

const ENTRY: Readonly<Record<TruthProtocol, EntryProtocol>> = {
  rtmp: 'rtmp',
  flv: 'flv',
  hls: 'hls',
  srt: 'srt',
  'whep-lite': 'webrtc',
  'whep-datachannel': 'webrtc',
};

/** A video frame as it was handed to a socket. */
export interface SentFrame {
  /** Of its stamp. */
  readonly stream: number;
  readonly frame: number;
  /** Epoch ms. */
  readonly at: number;
}

export class Rig {
  readonly publishing: Publishing;
  readonly #cluster: Cluster;
  readonly #runDir: string;
  readonly #links: Link[] = [];
  readonly #seats: Seat[] = [];
  readonly #sent = new Map<Publication, SentFrame[]>();

  private constructor(cluster: Cluster, runDir: string) {
    this.#cluster = cluster;
    this.#runDir = runDir;
    this.publishing = new Publishing(MediaSource.load(MEDIA), {
      onSent: (publication, type, _timestamp, body, at) => {
        if (type !== MediaType.video || isSequenceHeader(type, body)) return;
        const { stream, frames } = publication;
        this.sent(publication).push({ stream, frame: frames - 1, at });
      },
    });
  }

  /** Rejects with LabError when the origin does not come up. */
  static async open(signal: AbortSignal): Promise<Rig> {
    const runDir = mkdtempSync(join(tmpdir(), 'liveproof-truth-'));
    try {
      const start = { topology: TOPOLOGY, engine: 'builtin', runDir, settings: SETTINGS, signal } as const;
      return new Rig(await startCluster(start), runDir);
    } catch (error) {
      rmSync(runDir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Resolves when its first frame was sent. @param create the publisher; default the usual one. */
  async publish(
    protocol: 'rtmp' | 'srt',
    stream: string,
    create?: Parameters<Publishing['add']>[3],
  ): Promise<Publication> {
    const url = this.#cluster.entry('publish', protocol).url(APP, stream);
    const publication = this.publishing.add(url, undefined, undefined, create);
    await until(`${url} to be let in`, PUBLISHED_WITHIN_MS, () => {
      const { closed } = publication.client;
      if (closed !== undefined) throw new Error(`${url} is not let in: ${closed.code}, ${closed.detail}`);
      return publication.frames > 0;
    });
    return publication;
  }

  /** Where it is played without a link. */
  url(protocol: TruthProtocol, stream: string): string {
    return this.#entry(protocol).url(APP, stream);
  }

  /** Every frame of a publication so far. */
  sent(publication: Publication): SentFrame[] {
    let sent = this.#sent.get(publication);
    if (sent === undefined) {
      sent = [];
      this.#sent.set(publication, sent);
    }
    return sent;
  }

  /** A way of its own to the origin, for the media of a protocol. */
  async link(protocol: TruthProtocol): Promise<Link> {
    const entry = this.#entry(protocol);
    const node = this.#cluster.nodes.get(entry.node)!;
    const port = ENTRY[protocol] === 'webrtc' ? node.ports.rtc! : entry.port;
    const link = await Link.open(protocol, { host: entry.host, port });
    this.#links.push(link);
    return link;
  }

  /** Opens a player behind a link. */
  seat(protocol: TruthProtocol, stream: string, link: Link, options?: SeatOptions): Seat {
    const seat = new Seat(protocol, this.url(protocol, stream), link, options);
    this.#seats.push(seat);
    return seat;
  }

  #entry(protocol: TruthProtocol): Entry {
    return this.#cluster.entry('play', ENTRY[protocol]);
  }

  /** Players, links and publications of one part. */
  async clear(): Promise<void> {
    for (const seat of this.#seats.splice(0)) seat.close();
    this.publishing.stop();
    this.#sent.clear();
    await Promise.all(this.#links.splice(0).map((link) => link.close()));
  }

  /** Nothing is left running. */
  async close(): Promise<void> {
    await this.clear();
    await this.#cluster.down();
    rmSync(this.#runDir, { recursive: true, force: true });
  }
}

/** How the rig's own process does from now on. */
export class RigWatch {
  readonly #monitor = new HealthMonitor();

  /** Once. The lag is judged with each figure. */
  read(): RigHealth {
    const health = this.#monitor.read();
    this.#monitor.stop();
    const { reasons } = judgeGenerator([{ ...health, loopLagP99Ms: 0 }], Number.POSITIVE_INFINITY);
    return { lagP99Ms: health.loopLagP99Ms, reasons };
  }
}

/** Rejects when it is not so within a time. */
export async function until(
  what: string,
  withinMs: number,
  holds: () => boolean,
  everyMs = LOOK_EVERY_MS,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms for ${what}`);
    await sleep(everyMs);
  }
}
