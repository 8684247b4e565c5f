/** One stream through a cluster: published at an entry, played at another until frames have come; then nothing is left. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { createPlayer } from '../../../drivers/create.ts';
import { Publishing } from '../../../drivers/measure/publishing.ts';
import { MediaSource } from '../../../drivers/measure/source.ts';
import type { Cluster } from '../../../lab/cluster.ts';
import { isFree, isFreeUdp } from '../../../lab/ports.ts';
import { identify, readIdentified } from '../../../lab/runners/proc.ts';
import { type StartOptions, startCluster } from '../../../lab/runners/process.ts';
import { topologyByName } from '../../../lab/topologies/index.ts';
import type { EntryProtocol } from '../../../lab/topology.ts';
import { type MediaSink, MediaType } from '../../../protocols/media.ts';
import { beyondLoopback, listeningOf } from '../../support/listening.ts';
import { descendantsOf } from '../../support/processes.ts';

const MEDIA = new URL('../../../fixtures/media/av-480k.flv', import.meta.url);

export interface Published {
  stop(): void;
}

/** Publishes until it is stopped; rejects when the publisher is closed before it has sent a frame. */
export function publish(url: string): Promise<Published> {
  return new Promise((resolve, reject) => {
    const publishing = new Publishing(MediaSource.load(MEDIA.pathname), {
      onSent: (publication) => {
        if (publication.frames > 0) resolve({ stop: () => publishing.stop() });
      },
      onEnd: ({ client }) =>
        reject(new Error(`publisher of ${url}: ${client.closed?.code} ${client.closed?.detail}`)),
    });
    publishing.add(url);
  });
}

/** Resolves when so many video frames have come, and leaves; rejects when the player is closed before, or time is over. */
export function play(url: string, frames: number, withinMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = 0;
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(error);
      player.close();
    };
    const sink: MediaSink = {
      begin() {},
      data() {},
      end(type) {
        if (type === MediaType.video && ++got === frames) settle();
      },
    };
    const player = createPlayer(
      url,
      sink,
      {},
      {
        onClosed: (_, { code, detail }) =>
          settle(new Error(`player of ${url}: ${code} ${detail}, ${got} frames`)),
      },
    );
    const timer = setTimeout(
      () => settle(new Error(`player of ${url}: ${got} of ${frames} frames in ${withinMs} ms`)),
      withinMs,
    );
    player.open();
  });
}

const FRAMES = 12;
const WITHIN_MS = 10_000;

/**
 * Publishes over RTMP and plays, each at the usual entry of the topology; takes it down and sees that nothing is left.
 * Resolves with every link that was used, as `proxy>origin-2 rtmp`.
 */
export async function carry(
  topology: string,
  protocols: readonly EntryProtocol[],
  options: Partial<StartOptions> = {},
): Promise<string[]> {
  const runDir = mkdtempSync(path.join(os.tmpdir(), 'liveproof-one-stream-'));
  const cluster = await startCluster({
    topology: topologyByName(topology),
    engine: 'builtin',
    runDir,
    settings: { mergedWriteMs: 100, registration: { heartbeatMs: 500, aliveMs: 2000 } },
    ...options,
  });
  try {
    const published = await publish(cluster.entry('publish', 'rtmp').url('live', 'a'));
    for (const protocol of protocols) {
      await play(cluster.entry('play', protocol).url('live', 'a'), FRAMES, WITHIN_MS);
    }
    published.stop();
    const taps = [...cluster.taps, ...cluster.udpTaps].filter(({ total }) => total > 0);
    await leavesNothing(cluster);
    return taps.map(({ name, carries }) => `${name} ${carries}`);
  } finally {
    await cluster.down();
    rmSync(runDir, { recursive: true, force: true });
  }
}

/** Every node, whatever they have started, and the taps, which are in this process. */
function isOnLoopbackOnly(cluster: Cluster): void {
  const listening = listeningOf([process.pid, ...descendantsOf(process.pid).map(({ pid }) => pid)]);
  const entries = cluster.entries.filter(({ protocol }) => protocol !== 'srt');
  for (const { host, port } of entries)
    assert.ok(listening.includes(`tcp ${host}:${port}`), `${host}:${port}`);
  assert.deepEqual(beyondLoopback(listening), []);
}

/** Takes the cluster down, which nobody can reach from outside: no process of it lives, and its entries are free again. */
export async function leavesNothing(cluster: Cluster): Promise<void> {
  isOnLoopbackOnly(cluster);
  const identities = [...cluster.nodes.values()].map(({ pid }) => identify(pid)!);
  const listening = cluster.entries.map(({ protocol, host, port }) => ({
    name: `${protocol} ${host}:${port}`,
    isFree: () => (protocol === 'srt' ? isFreeUdp(host, port) : isFree(host, port)),
  }));
  for (const { name, isFree } of listening) assert.equal(await isFree(), false, name);
  await cluster.down();
  assert.ok(identities.every((identity) => readIdentified(identity) === undefined));
  for (const { name, isFree } of listening) assert.equal(await isFree(), true, name);
}
