import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Cluster } from '../../../lab/cluster.ts';
import { startCluster } from '../../../lab/runners/process.ts';
import { srtAnswers } from '../../../lab/runners/readiness.ts';
import type { Topology } from '../../../lab/topology.ts';
import { eventually, run } from '../builtin/support.ts';

const topology: Topology = {
  name: 'one-origin',
  title: 'one origin',
  source: 'test',
  nodes: [{ name: 'origin', role: 'origin', upstreams: [], srt: true }],
  entries: [
    { node: 'origin', protocol: 'srt', use: 'publish' },
    { node: 'origin', protocol: 'srt', use: 'play' },
    { node: 'origin', protocol: 'api', use: 'observe' },
  ],
};

let directory: string;
let cluster: Cluster;

before(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-srt-'));
  cluster = await startCluster({
    topology,
    engine: 'builtin',
    runDir: directory,
    settings: { srt: { passphrase: 'a passphrase of ours' } },
  });
});

after(async () => {
  await cluster?.down();
  rmSync(directory, { recursive: true, force: true });
});

test('a node with SRT has a port and entries, which say what SRT stream ids say', async () => {
  const { host, ports } = cluster.nodes.get('origin')!;
  await srtAnswers(host, ports.srt!);
  const publish = cluster.entry('publish', 'srt');
  assert.equal(publish.url('live', 'x'), `srt://${host}:${ports.srt}?streamid=#!::r=live/x,m=publish`);
  assert.match(cluster.entry('play', 'srt').url('live', 'x'), /m=request$/);
  assert.deepEqual(
    ['publish.srt', 'play.srt', 'play.rtmp'].map((capability) =>
      cluster.capabilities.has(capability as never),
    ),
    [true, true, false],
  );
});

test('its settings reach it: ffmpeg publishes with the passphrase', async () => {
  const url = `${cluster.entry('publish', 'srt').url('live', 'x')}&passphrase=a passphrase of ours`;
  const file = new URL('../../../fixtures/media/av-480k.flv', import.meta.url).pathname;
  const done = run('ffmpeg', [
    '-v',
    'error',
    '-re',
    '-t',
    '3',
    '-i',
    file,
    '-c',
    'copy',
    '-f',
    'mpegts',
    url,
  ]);
  const types = await eventually('a publisher', async () => {
    const found = (await cluster.api('origin').clients()).map(({ type }) => type);
    return found.length > 0 && found;
  });
  assert.deepEqual(types, ['srt-publish']);
  assert.equal((await done).code, 0);
});
