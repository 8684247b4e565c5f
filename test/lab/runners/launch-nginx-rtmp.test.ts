import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Publishing } from '../../../drivers/measure/publishing.ts';
import { MediaSource } from '../../../drivers/measure/source.ts';
import type { Cluster } from '../../../lab/cluster.ts';
import { identify, type ProcessIdentity, readIdentified } from '../../../lab/runners/proc.ts';
import { startCluster } from '../../../lab/runners/process.ts';
import { nginxRtmp } from '../../../lab/topologies/nginx-rtmp.ts';

const MEDIA = new URL('../../../fixtures/media/av-480k.flv', import.meta.url);

async function start(t: TestContext): Promise<{ cluster: Cluster; runDir: string }> {
  const runDir = mkdtempSync(path.join(os.tmpdir(), 'liveproof-nginx-rtmp of a lab-'));
  const settings = { hls: { fragmentSeconds: 1, windowSeconds: 6, sessions: false } };
  const cluster = await startCluster({ topology: nginxRtmp, engine: 'nginx-rtmp', runDir, settings });
  t.after(async () => {
    await cluster.down();
    rmSync(runDir, { recursive: true, force: true });
  });
  return { cluster, runDir };
}

/** Publishes until the test ends. */
async function publish(t: TestContext, url: string): Promise<void> {
  const publishing = new Publishing(MediaSource.load(MEDIA.pathname), {});
  const publication = publishing.add(url);
  t.after(() => publication.stop());
  await until(() => publication.frames > 0);
}

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 6000;
  while (!holds()) {
    assert.ok(performance.now() < end, `not in time: ${holds}`);
    await delay(20);
  }
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1');
  return text.split(' ').filter(Boolean).map(Number);
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

/** The ffmpeg that a node has started for its streams. */
function laddersOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => commandOf(child)[0]?.endsWith('ffmpeg'));
}

describe('a node of nginx-rtmp', () => {
  for (const end of ['kill', 'down'] as const) {
    it(`takes its ffmpeg along when it ends: ${end}`, async (t) => {
      const { cluster } = await start(t);
      const live = cluster.nodes.get('live')!;
      await publish(t, cluster.entry('publish', 'rtmp').url('live', 's'));
      await until(() => laddersOf(live.pid).length === 1);
      const ladder = laddersOf(live.pid).map((pid) => identify(pid))[0] as ProcessIdentity;
      await (end === 'kill' ? live.kill() : cluster.down());
      await until(() => readIdentified(ladder) === undefined);
    });
  }

  it('ends the ffmpeg of a stream with its publisher', async (t) => {
    const { cluster } = await start(t);
    const live = cluster.nodes.get('live')!;
    const publishing = new Publishing(MediaSource.load(MEDIA.pathname), {});
    const publication = publishing.add(cluster.entry('publish', 'rtmp').url('live', 's'));
    await until(() => laddersOf(live.pid).length === 1);
    publication.stop();
    await until(() => laddersOf(live.pid).length === 0);
    assert.deepEqual(await cluster.api('live').streams(), []);
  });

  it('hands a hostile name to ffmpeg as a part of one argument, and writes nothing beside its folders', async (t) => {
    const { cluster, runDir } = await start(t);
    const live = cluster.nodes.get('live')!;
    const base = cluster.entry('publish', 'rtmp').url('live', '');
    const before = new Set(readdirSync(runDir));
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell would expand it
    for (const name of ['$(touch${IFS}x)', 'x;touch${IFS}x', '>x', '-y', '..']) {
      await publish(t, base + name);
      const isArgument = (pid: number) =>
        commandOf(pid).some(
          (argument) => argument.startsWith('rtmp://') && argument.endsWith(`/live/${name}`),
        );
      await until(() => laddersOf(live.pid).some(isArgument));
    }
    const added = readdirSync(runDir).filter((file) => !before.has(file));
    assert.deepEqual(added, ['live.ffmpeg.log']);
    assert.deepEqual(readdirSync(path.join(runDir, 'www', 'live')).sort(), ['dash', 'hls', 'vod']);
  });
});
