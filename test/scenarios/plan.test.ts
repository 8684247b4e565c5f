import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MutantId } from '../../lab/builtin/mutants.ts';
import { LabError, LabErrorCode } from '../../lab/errors.ts';
import { topologyByName } from '../../lab/topologies/index.ts';
import type { Topology } from '../../lab/topology.ts';
import type { Check } from '../../scenarios/check.ts';
import { type Plan, type PlanRequest, partOf, planGate, planMutants } from '../../scenarios/plan.ts';

function check(id: string, topologies: string[], mutants: MutantId[] = []): Check {
  return {
    id,
    title: id,
    level: 'must',
    spec: { source: 's', where: 'w', says: 's' },
    topologies,
    needs: [],
    mutants,
    run: async () => {},
    judge: () => [],
  };
}

const TOPOLOGIES = ['edge-cluster', 'forward-cluster', 'nginx-rtmp'].map(topologyByName);

function request(checks: readonly Check[], over: Partial<PlanRequest> = {}): PlanRequest {
  return { checks, topologies: TOPOLOGIES, isRunnable: () => {}, ...over };
}

const lacks =
  (...names: string[]) =>
  ({ name }: Topology): void => {
    if (names.includes(name)) throw new LabError(LabErrorCode.Program, 'ffmpeg is not installed');
  };

function lines({ runs }: Plan): string[] {
  return runs.map(
    ({ topology, engine, mutant, checks }) =>
      `${topology.name} ${engine} ${mutant ?? 'healthy'}: ${checks.map(({ id }) => id)}`,
  );
}

const CHECKS = [
  check('a/both', ['edge-cluster', 'forward-cluster'], ['media-drops-frames', 'web-ip-hash']),
  check('a/edge', ['edge-cluster'], ['media-drops-frames', 'cache-404']),
  check('b/ladder', ['nginx-rtmp'], []),
];

describe('the plan of a gate', () => {
  it('has every topology that a check is for, each check on all of its own', () => {
    assert.deepEqual(lines(planGate(request(CHECKS))), [
      'edge-cluster builtin healthy: a/both,a/edge',
      'forward-cluster builtin healthy: a/both',
      'nginx-rtmp nginx-rtmp healthy: b/ladder',
    ]);
    assert.deepEqual(lines(planGate(request([CHECKS[1]!]))), ['edge-cluster builtin healthy: a/edge']);
  });

  it('leaves out what the machine or the engine cannot play, with the reason', () => {
    const plan = planGate(request(CHECKS, { isRunnable: lacks('nginx-rtmp') }));
    assert.equal(plan.runs.length, 2);
    assert.deepEqual(
      plan.leftOut.map(({ topology, reason }) => `${topology.name}: ${reason}`),
      ['nginx-rtmp: lab.program: ffmpeg is not installed'],
    );
    const { isRunnable: _, ...real } = request(CHECKS, { engine: 'nginx-rtmp' });
    const { leftOut } = planGate(real);
    assert.ok(
      leftOut.some(({ topology, reason }) => topology.name === 'edge-cluster' && /cannot play/.test(reason)),
    );
  });
});

describe('the plan of the mutants', () => {
  it('has each pair of check and mutant once, on the first topology that has a node for it', () => {
    assert.deepEqual(lines(planMutants(request(CHECKS))), [
      'edge-cluster builtin healthy: a/both,a/edge',
      'edge-cluster builtin media-drops-frames: a/both,a/edge',
      'edge-cluster builtin cache-404: a/edge',
      'forward-cluster builtin healthy: a/both',
      'forward-cluster builtin web-ip-hash: a/both',
      'nginx-rtmp nginx-rtmp healthy: b/ladder',
    ]);
  });

  it('moves a pair on when the first of its topologies cannot run', () => {
    const plan = planMutants(request(CHECKS, { isRunnable: lacks('edge-cluster', 'nginx-rtmp') }));
    assert.deepEqual(lines(plan), [
      'forward-cluster builtin healthy: a/both',
      'forward-cluster builtin media-drops-frames: a/both',
      'forward-cluster builtin web-ip-hash: a/both',
    ]);
  });

  it('lets the other checks of a topology stand by, after those that are aimed', () => {
    const { runs } = planMutants(request(CHECKS, { bystanders: CHECKS }));
    const standing = runs.map(({ topology, mutant, bystanders = [] }) => {
      return `${topology.name} ${mutant ?? 'healthy'}: ${bystanders.map(({ id }) => id)}`;
    });
    assert.deepEqual(standing, [
      'edge-cluster healthy: ',
      'edge-cluster media-drops-frames: ',
      'edge-cluster cache-404: a/both',
      'forward-cluster healthy: ',
      'forward-cluster web-ip-hash: ',
      'nginx-rtmp healthy: ',
    ]);
  });

  it('is the same as all of its parts together', () => {
    const plan = planMutants(request(CHECKS));
    const parts = [0, 1, 2, 3].map((index) => partOf(plan, { index, of: 4 }));
    assert.deepEqual(
      parts.map(({ runs }) => runs.length),
      [2, 2, 1, 1],
    );
    assert.deepEqual(parts.flatMap(lines).toSorted(), lines(plan).toSorted());
  });
});
