import assert from 'node:assert/strict';
import { relative } from 'node:path';
import { describe, test } from 'node:test';
import type { Cluster } from '../../lab/cluster.ts';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import type { Finding } from '../../reports/results.ts';
import type { Check } from '../../scenarios/check.ts';
import type { PlannedRun } from '../../scenarios/plan.ts';
import { type PlanRun, runPlan } from '../../scenarios/plan-run.ts';
import { pretendCheck, pretendCluster } from './pretend.ts';

function planned(checks: readonly Check[], changes: Partial<PlannedRun> = {}): PlannedRun {
  return { topology: edgeCluster, engine: 'builtin', checks, ...changes };
}

/** Something that happens once. */
function event() {
  let happen = () => {};
  const happened = new Promise<void>((resolve) => {
    happen = resolve;
  });
  return { happen, happened };
}

/**
 * Clusters that come up by `start`, and what was told of them: by number from 1, in the order in which they were asked
 * for.
 */
async function run(
  runs: readonly PlannedRun[],
  {
    start = async () => pretendCluster().cluster,
    ...changes
  }: Partial<PlanRun> & {
    start?: (nth: number) => Promise<Cluster>;
  } = {},
) {
  const folders: string[] = [];
  const down: number[] = [];
  const ups: number[] = [];
  const findings: Finding[] = [];
  const failures: string[] = [];
  const ends: PlannedRun[] = [];
  const clusters: Cluster[] = [];
  await runPlan({
    runs,
    runDir: '/pretend',
    jobs: 2,
    signal: new AbortController().signal,
    async attach({ runDir }) {
      folders.push(relative('/pretend', runDir));
      const nth = folders.length;
      const cluster = await start(nth);
      clusters.push(cluster);
      return Object.assign(cluster, {
        async down() {
          down.push(nth);
        },
      });
    },
    onUp: (_cluster, _run, { nth }) => void ups.push(nth),
    onFinding: (finding) => findings.push(finding),
    onFailure: ({ message }) => failures.push(message),
    onEnd: (ended) => ends.push(ended),
    ...changes,
  });
  return { folders, down: down.toSorted(), ups, findings, failures, ends, clusters };
}

function verdicts(findings: readonly Finding[]): string[] {
  return findings.map(({ check, verdict }) => `${check} ${verdict}`).toSorted();
}

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `a/${at}`);
}

describe('two clusters of one run', () => {
  test('share its checks: each takes the next one, in their order, and each check runs once', async () => {
    const on = new Map<string, Cluster>();
    const both = event();
    const checks = ids(8).map((id) =>
      pretendCheck({
        id,
        async run(t) {
          on.set(id, t.cluster);
          if (new Set(on.values()).size === 2) both.happen();
          await both.happened;
        },
      }),
    );
    const ran = await run([planned(checks)]);
    assert.deepEqual(
      verdicts(ran.findings),
      ids(8).map((id) => `${id} pass`),
    );
    assert.deepEqual(ran.folders, ['edge-cluster/healthy', 'edge-cluster/healthy-2']);
    assert.deepEqual([ran.ups, ran.down, ran.ends.length], [[1, 2], [1, 2], 1]);
    assert.equal(on.get('a/0'), ran.clusters[0]);
    assert.deepEqual(new Set(on.values()), new Set(ran.clusters));
    assert.deepEqual([...on.keys()], ids(8));
  });

  test('do not part checks that share what they observe', async () => {
    const on = new Map<string, Cluster>();
    const both = event();
    const observe: Check['run'] = async (t) => {
      on.set(t.check, t.cluster);
      await both.happened;
    };
    const checks = ids(12).map((id, at) =>
      pretendCheck({
        id,
        run:
          at % 2 === 0
            ? observe
            : async (t) => {
                on.set(id, t.cluster);
                both.happen();
              },
      }),
    );
    const { findings, clusters } = await run([planned(checks)]);
    assert.equal(clusters.length, 2);
    assert.deepEqual(
      verdicts(findings),
      ids(12)
        .map((id) => `${id} pass`)
        .toSorted(),
    );
    const shared = ids(12).filter((_, at) => at % 2 === 0);
    assert.equal(new Set(shared.map((id) => on.get(id))).size, 1);
    assert.equal(new Set(on.values()).size, 2);
  });

  test('come after checks that want the machine for themselves, all in a row', async () => {
    const begun: string[] = [];
    const checks = ids(12).map((id, at) =>
      pretendCheck({ id, alone: at > 8, run: async () => void begun.push(id) }),
    );
    const { findings } = await run([planned(checks), planned(checks)]);
    assert.deepEqual(begun.slice(0, 3), ['a/9', 'a/10', 'a/11']);
    assert.equal(findings.length, 24);
  });

  test('that are not worth it are one', async () => {
    const { folders, findings } = await run([planned(ids(5).map((id) => pretendCheck({ id })))], { jobs: 3 });
    assert.deepEqual([folders.length, findings.length], [1, 5]);
  });

  test('with a mutant are one', async () => {
    const checks = ids(8).map((id) => pretendCheck({ id }));
    const { folders } = await run([planned(checks, { mutant: 'edge-never-releases' })]);
    assert.deepEqual(folders, ['edge-cluster/edge-never-releases']);
  });
});

describe('every check has one finding', () => {
  test('when further clusters do not come up: the first has them all, and those are not tried again', async () => {
    const failed = event();
    const checks = ids(20).map((id) => pretendCheck({ id, run: () => failed.happened }));
    const { findings, failures, folders, down } = await run([planned(checks)], {
      jobs: 4,
      async start(nth) {
        if (nth === 1) return pretendCluster().cluster;
        if (nth === 4) failed.happen();
        throw new Error(`no cluster ${nth}`);
      },
    });
    assert.deepEqual(
      verdicts(findings),
      ids(20)
        .map((id) => `${id} pass`)
        .toSorted(),
    );
    assert.deepEqual(failures, ['no cluster 2', 'no cluster 3', 'no cluster 4']);
    assert.deepEqual([folders.length, down], [4, [1]]);
  });

  test('when the first does not come up: none was run, and no other is tried', async () => {
    const checks = ids(8).map((id) => pretendCheck({ id }));
    const { findings, failures, folders, ends } = await run([planned(checks)], {
      start: () => Promise.reject(new Error('no cluster')),
    });
    assert.deepEqual(
      verdicts(findings),
      ids(8).map((id) => `${id} inconclusive`),
    );
    assert.match(findings[0]!.actual, /lab\/up/);
    assert.deepEqual([failures, folders.length, ends.length], [['no cluster'], 1, 1]);
  });

  for (const broken of [1, 2]) {
    test(`when cluster ${broken} of 2 gives up in the middle: the other takes what was not begun`, async () => {
      const both = event();
      let begun = 0;
      const { findings, failures, down } = await run(
        [
          planned(
            ids(10).map((id) =>
              pretendCheck({
                id,
                async run() {
                  begun += 1;
                  if (begun === 2) both.happen();
                  await both.happened;
                },
              }),
            ),
          ),
        ],
        {
          async start(nth) {
            const { cluster } = pretendCluster();
            if (nth !== broken) return cluster;
            return Object.defineProperty(cluster, 'nodes', {
              get() {
                // Within its first check.
                if (begun >= 2) throw new Error('the lab gave up');
                return new Map();
              },
            });
          },
        },
      );
      assert.deepEqual(failures, ['the lab gave up']);
      assert.deepEqual(down, [1, 2]);
      assert.deepEqual(findings.map(({ check }) => check).toSorted(), ids(10).toSorted());
      const open = findings.filter(({ verdict }) => verdict !== 'pass');
      assert.deepEqual(
        open.map(({ verdict }) => verdict),
        ['inconclusive'],
      );
    });
  }
});

test('an interrupt takes all clusters down, and what was not begun has no finding', async () => {
  const interruption = new AbortController();
  let begun = 0;
  const checks = ids(12).map((id) =>
    pretendCheck({
      id,
      run(t) {
        begun += 1;
        if (begun === 3) interruption.abort();
        return new Promise((_, reject) => t.signal.addEventListener('abort', () => reject(t.signal.reason)));
      },
    }),
  );
  const ran = await run([planned(checks)], { jobs: 3, signal: interruption.signal });
  assert.deepEqual([ran.down, ran.failures, ran.ends.length], [[1, 2, 3], [], 1]);
  assert.deepEqual(
    ran.findings.map(({ verdict }) => verdict),
    ['inconclusive', 'inconclusive', 'inconclusive'],
  );
});

test('an interrupt leaves the proof open whose check it ends, and keeps that of a check that had failed', async () => {
  const interruption = new AbortController();
  const failed = pretendCheck({
    id: 'a/failed',
    judge: () => [{ verdict: 'fail', expected: 'a release', actual: 'none' }],
  });
  const interrupted = pretendCheck({
    id: 'a/interrupted',
    run(t) {
      interruption.abort();
      return new Promise((_, reject) => t.signal.addEventListener('abort', () => reject(t.signal.reason)));
    },
  });
  const { findings } = await run([planned([failed, interrupted], { mutant: 'edge-never-releases' })], {
    signal: interruption.signal,
  });
  assert.deepEqual(
    findings.map(({ check, mutant, verdict }) => [check, mutant, verdict]),
    [
      ['a/failed', 'edge-never-releases', 'pass'],
      ['a/interrupted', 'edge-never-releases', 'inconclusive'],
    ],
  );
});

test('the run with the most checks begins first; who has nothing left to begin helps the largest share', async () => {
  const small = planned(ids(3).map((id) => pretendCheck({ id })));
  const helped = event();
  const at = new Set<Cluster>();
  const large = planned(
    Array.from({ length: 9 }, (_, number) =>
      pretendCheck({
        id: `b/${number}`,
        async run(t) {
          at.add(t.cluster);
          if (at.size === 2) helped.happen();
          await helped.happened;
        },
      }),
    ),
  );
  const starts: PlannedRun[] = [];
  const { folders, findings, ends } = await run([small, large], { onStart: (begun) => starts.push(begun) });
  assert.deepEqual(starts, [large, small]);
  assert.deepEqual([folders.length, findings.length], [3, 12]);
  assert.deepEqual(ends, [small, large]);
});
