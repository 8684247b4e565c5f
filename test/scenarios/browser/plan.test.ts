import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabError, LabErrorCode } from '../../../lab/errors.ts';
import { hasNodeFor } from '../../../lab/mutant-fit.ts';
import { TOPOLOGIES, topologyByName } from '../../../lab/topologies/index.ts';
import { REQUIREMENTS } from '../../../scenarios/browser/judge.ts';
import { offeredBy, PROOFS, planBrowser } from '../../../scenarios/browser/plan.ts';
import { BROWSER_PROTOCOLS } from '../../../scenarios/browser/record.ts';

const everything = {
  topologies: TOPOLOGIES,
  protocols: BROWSER_PROTOCOLS,
  proofs: true,
  isRunnable: () => {},
};

test('every requirement has a defect that proves it, on a cluster that can have it and offers the protocol', () => {
  assert.deepEqual(
    [...new Set(PROOFS.map(({ requirement }) => requirement))].sort(),
    [...REQUIREMENTS].sort(),
  );
  for (const { mutant, topology, protocol } of PROOFS) {
    const home = topologyByName(topology);
    assert.ok(hasNodeFor(home, 'builtin', mutant), mutant);
    assert.ok(offeredBy(home).includes(protocol), mutant);
  }
});

test('every cluster plays what it has an entry for, healthy ones first', () => {
  const { runs, leftOut } = planBrowser(everything);
  assert.deepEqual(leftOut, []);
  const healthy = runs.filter(({ proof }) => proof === undefined);
  assert.deepEqual(
    healthy.map(({ topology, protocols }) => `${topology.name}: ${protocols.join(' ')}`),
    [
      'edge-cluster: flv hls webrtc',
      'forward-cluster: flv hls',
      'nginx-rtmp: hls',
      'proxy-cluster: flv hls webrtc',
      'proxy-redis: flv hls webrtc',
      'coworker-cluster: flv',
      'local-origin: flv',
      'stream-manager: flv',
    ],
  );
  assert.equal(
    runs.findIndex(({ proof }) => proof !== undefined),
    healthy.length,
  );
  assert.equal(runs.length, healthy.length + PROOFS.length);
});

test('a narrower plan has the proofs that fit into it; what cannot run is named', () => {
  const { runs } = planBrowser({ ...everything, protocols: ['webrtc'] });
  assert.ok(runs.every(({ protocols }) => protocols.join() === 'webrtc'));
  assert.ok(runs.some(({ proof }) => proof?.mutant === 'whep-no-cors'));
  const without = planBrowser({
    ...everything,
    isRunnable: ({ name }) => {
      if (name === 'edge-cluster') throw new LabError(LabErrorCode.Program, 'no haproxy');
    },
  });
  assert.deepEqual(without.leftOut, [{ topology: 'edge-cluster', reason: 'lab.program: no haproxy' }]);
  assert.ok(without.runs.every(({ topology }) => topology.name !== 'edge-cluster'));
});

test('WHEP of a real SRS is played only with its UDP ports open, and is named else', () => {
  const srs = { ...everything, engine: 'srs', topologies: [topologyByName('edge-cluster')] } as const;
  const of = (more: Partial<typeof everything> & { openUdp?: boolean } = {}) => {
    const { runs, leftOut } = planBrowser({ ...srs, ...more });
    return [runs.map(({ protocols }) => protocols.join(' ')), leftOut.map(({ topology }) => topology)];
  };
  assert.deepEqual(of(), [['flv hls'], ['edge-cluster']]);
  assert.deepEqual(of({ openUdp: true }), [['flv hls webrtc'], []]);
  assert.match(planBrowser(srs).leftOut[0]!.reason, /only with --open-udp$/);
  const alone = planBrowser({ ...srs, protocols: ['webrtc'] });
  assert.deepEqual([alone.runs, alone.leftOut.length], [[], 1]);
});
