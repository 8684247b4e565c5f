import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SRS_PATIENCE } from '../../../lab/cluster.ts';
import { planAddresses } from '../../../lab/ports.ts';
import type { ClusterPlan } from '../../../lab/runners/launch.ts';
import { srsLauncher } from '../../../lab/runners/launch-srs.ts';
import { proxyCluster } from '../../../lab/topologies/proxy-cluster.ts';

test('an SRS gets none of the variables of its starter that go before a configuration, but what the lab tells it', async (t) => {
  const runDir = mkdtempSync(join(tmpdir(), 'liveproof-srs-'));
  process.env.SRS_VHOST_PLAY_GOP_CACHE = 'off';
  t.after(() => {
    delete process.env.SRS_VHOST_PLAY_GOP_CACHE;
    rmSync(runDir, { recursive: true });
  });
  const plan: ClusterPlan = {
    topology: proxyCluster,
    engine: 'srs',
    srsPath: '/nowhere/srs',
    runDir,
    settings: {
      mergedWriteMs: 350,
      queueSeconds: 30,
      gopCache: true,
      maxConnections: 1000,
      hls: { fragmentSeconds: 10, windowSeconds: 60, sessions: true },
    },
    patience: SRS_PATIENCE,
    mutants: [],
    addresses: await planAddresses(proxyCluster, 'free'),
  };
  for (const name of ['origin-1', 'edge-1']) {
    const { env } = srsLauncher.launch(proxyCluster.nodes.find((spec) => spec.name === name)!, plan);
    // As child_process has it: what is undefined is taken away.
    assert.deepEqual(env, {
      ...Object.fromEntries(
        Object.keys(process.env).flatMap((key) => (key.startsWith('SRS_') ? [[key, undefined]] : [])),
      ),
      ...(name === 'origin-1' ? { SRS_DEVICE_IP: plan.addresses.aliases.get(name) } : {}),
    });
    assert.ok(env !== undefined && 'SRS_VHOST_PLAY_GOP_CACHE' in env);
  }
});
