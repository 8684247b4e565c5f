import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { MutantId } from '../../lab/builtin/mutants.ts';
import { allowedCpus } from '../../lab/runners/proc-cpu.ts';
import { Finding } from '../../reports/results.ts';
import type { Check, Judgement } from '../../scenarios/check.ts';
import { runGate } from '../../scenarios/gate.ts';
import type { MachineSeen } from '../../scenarios/history.ts';
import { shareObservation } from '../../scenarios/shared-observation.ts';
import { type CpuLook, CpuWatch, MAX_WAIT_MS, unlessStarved } from '../../scenarios/starvation.ts';
import { type PretendNode, pretendCheck, pretendCluster, request } from './pretend.ts';

const fail: Judgement = { verdict: 'fail', expected: 'frames within 800 ms', actual: '1312 ms' };
const FAILED: Pick<Finding, 'verdict' | 'expected' | 'actual' | 'evidence'> = { ...fail, evidence: [] };

/** Of one second, after which everything is what is given. */
function watched(...looks: readonly Partial<CpuLook>[]): MachineSeen {
  const first = { at: 0, processesMs: 0, stolenMs: 0, own: new Map() };
  const all = [first, ...looks.map((look, i) => ({ ...first, at: (i + 1) * 1000, ...look }))].values();
  const watch = new CpuWatch(() => all.next().value);
  for (const _ of looks.slice(1)) watch.look();
  return watch.end();
}

function own(of: Record<string, readonly [usedMs: number, waitedMs: number]>, pid = 7): CpuLook['own'] {
  return new Map(
    Object.entries(of).map(([name, [usedMs, waitedMs]]) => [
      name,
      { pid, usedMs, waitedMs: new Map([[pid, waitedMs]]) },
    ]),
  );
}

function verdictAfter(seen: MachineSeen): string {
  return unlessStarved(FAILED, [seen]).verdict;
}

describe('a failure', () => {
  test('while others had the CPUs is none, and is told', () => {
    const seen = watched({ processesMs: 2000, own: own({ gate: [100, 20], 'edge-1': [100, 600] }) });
    const outcome = unlessStarved(FAILED, [seen]);
    assert.equal(outcome.verdict, 'inconclusive');
    assert.equal(outcome.expected, fail.expected);
    assert.match(outcome.actual, /^1312 ms, but others had the CPUs: within a second edge-1 .* 600 ms/);
    assert.deepEqual(
      outcome.evidence.map(({ label }) => label),
      ['would have been', 'starved'],
    );
    assert.equal(outcome.evidence[0]!.detail, 'fail: expected frames within 800 ms; got 1312 ms');
    assert.match(outcome.evidence[1]!.detail, /edge-1 600, gate 20; .*90 % was others'/);
    assert.deepEqual(outcome.starvation, {
      ...{ wouldHaveBeen: 'fail', process: 'edge-1', waitedMs: 600, othersShare: 0.9 },
      ...{ stolenMs: 0, keptMs: 540, boundMs: MAX_WAIT_MS },
    });
  });

  test('is a field of the finding, which those of before do not have', () => {
    const seen = watched({ processesMs: 2000, own: own({ gate: [0, 600] }) });
    const starved = unlessStarved(FAILED, [seen]);
    const common = { check: 'area/slug', topology: 'edge-cluster', engine: 'builtin', durationMs: 1 };
    assert.deepEqual(Finding.parse({ ...common, ...starved }).starvation, starved.starvation);
    const { starvation, ...before } = starved;
    assert.equal(Finding.parse({ ...common, ...before }).starvation, undefined);
    assert.equal(starvation?.process, 'gate');
  });

  test('is told with the bound that was set', () => {
    const seen = watched({ processesMs: 2000, own: own({ gate: [0, 600] }) });
    assert.equal(unlessStarved(FAILED, [seen], 700).starvation, undefined);
    const outcome = unlessStarved(FAILED, [seen], 500);
    assert.equal(outcome.starvation?.boundMs, 500);
    assert.match(outcome.evidence[1]!.detail, /at most 500 ms may be/);
  });

  test('while the cluster and the gate had the CPUs is one', () => {
    // A node that spins keeps the others waiting, on both CPUs.
    const seen = watched({
      processesMs: 2000,
      own: own({ gate: [200, 900], origin: [1000, 500], 'edge-1': [700, 900] }),
    });
    assert.equal(seen.worst.waitedMs.gate, 900);
    assert.equal(verdictAfter(seen), 'fail');
  });

  test('is one as long as the part of the waiting that is put on others is small', () => {
    const waited = (ms: number) => watched({ processesMs: 1000, own: own({ origin: [500, ms] }) });
    assert.equal(verdictAfter(waited(2 * MAX_WAIT_MS)), 'fail');
    assert.equal(verdictAfter(waited(2 * MAX_WAIT_MS + 2)), 'inconclusive');
  });

  test('while the hypervisor had the CPU is none', () => {
    const seen = watched({ processesMs: 100, stolenMs: 400, own: own({ origin: [100, 0] }) });
    assert.equal(verdictAfter(seen), 'inconclusive');
    assert.match(unlessStarved(FAILED, [seen]).actual, /the hypervisor took 400 ms/);
  });

  test('stays one where nobody tells who waits, which is told', () => {
    const seen = new CpuWatch(() => undefined).end();
    assert.deepEqual(seen.watched, false);
    const outcome = unlessStarved(FAILED, [seen]);
    assert.equal(outcome.verdict, 'fail');
    assert.match(outcome.evidence[0]!.detail, /not known/);
  });

  test('of one second of many is none; each second counts by itself', () => {
    const looks = [10, 700, 710].map((ms, i) => ({
      processesMs: (i + 1) * 2000,
      own: own({ origin: [0, ms] }),
    }));
    assert.equal(watched(...looks).worst.waitedMs.origin, 690);
    const evenly = [200, 400, 600].map((ms, i) => ({
      processesMs: (i + 1) * 2000,
      own: own({ origin: [0, ms] }),
    }));
    const seen = watched(...evenly);
    assert.deepEqual([seen.worst.waitedMs.origin, seen.waitedMs.origin], [200, 600]);
    assert.equal(verdictAfter(seen), 'fail');
  });

  test('after a look that was late is judged by a second of what it saw', () => {
    const seen = watched({ at: 4000, processesMs: 8000, own: own({ gate: [0, 800] }) });
    assert.deepEqual([seen.worst.waitedMs.gate, seen.waitedMs.gate], [200, 800]);
  });

  test('of a node that was started anew counts what its new process waited', () => {
    const seen = watched(
      { processesMs: 100, own: own({ origin: [100, 5000] }, 7) },
      { processesMs: 2100, own: own({ origin: [0, 300] }, 8) },
    );
    assert.equal(seen.worst.waitedMs.origin, 300);
    assert.equal(verdictAfter(seen), 'inconclusive');
  });
});

test('the deadline of a starved check is no error, who could not say would not have said, and a pass stays one', () => {
  const seen = watched({ processesMs: 2000, own: own({ gate: [0, 1000] }) });
  const overdue = unlessStarved({ ...FAILED, verdict: 'error' }, [seen]);
  assert.deepEqual([overdue.verdict, overdue.starvation?.wouldHaveBeen], ['inconclusive', 'error']);
  const unsure = unlessStarved({ ...FAILED, verdict: 'inconclusive' }, [seen]);
  assert.deepEqual([unsure.verdict, unsure.starvation?.wouldHaveBeen], ['inconclusive', 'inconclusive']);
  for (const verdict of ['pass', 'unsupported'] as const) {
    const outcome = { ...FAILED, verdict };
    assert.equal(unlessStarved(outcome, [seen]), outcome);
  }
});

test('a check that starves is asked again, three times at the most, observes anew, and tells', async () => {
  /** The first `starved` runs have no CPU for all of their time, later ones have it all. */
  const source = (starved: number) => {
    let looks = 0;
    return (): CpuLook => {
      looks += 1;
      // Two looks before a run, and two around it.
      const waitedMs = Math.min(looks, 4 * starved) * 1000;
      return { at: looks * 1000, processesMs: looks * 2000, stolenMs: 0, own: own({ gate: [0, waitedMs] }) };
    };
  };
  const streams = new Set<string>();
  const found = async (starved: number, judge: Check['judge'], mutant?: MutantId) => {
    let observed = 0;
    streams.clear();
    const check = pretendCheck({
      run: (t) => {
        streams.add(t.stream());
        return shareObservation(t, 'one', async () => {
          observed += 1;
        });
      },
      judge,
    });
    const [finding] = await runGate(
      request([check], {
        cpu: source(starved),
        seed: 1,
        ...(mutant === undefined ? {} : { mutant, unrest: 'restart' }),
      }),
    );
    const told = finding!.evidence.filter(({ label }) => label === 'asked again').length;
    assert.equal(finding!.starvation !== undefined, finding!.verdict === 'inconclusive');
    return [finding!.verdict, observed, told];
  };
  const fails = () => [fail];
  let asked = 0;
  const recovers = (): Judgement[] => [{ ...fail, verdict: asked++ === 0 ? 'fail' : 'pass' }];
  assert.deepEqual(await found(0, fails), ['fail', 1, 0]);
  assert.deepEqual(await found(1, fails), ['fail', 2, 1]);
  assert.deepEqual(await found(1, fails, 'edge-pulls-per-player'), ['fail', 2, 1]);
  assert.deepEqual(await found(1, recovers), ['pass', 2, 1]);
  asked = 0;
  const knows = (): Judgement[] => [{ ...fail, verdict: asked++ === 0 ? 'inconclusive' : 'fail' }];
  assert.deepEqual(await found(1, knows), ['fail', 2, 1]);
  assert.deepEqual(await found(9, fails), ['inconclusive', 3, 2]);
  assert.equal(streams.size, 3, 'each time other streams: nodes may remember those of before');
  assert.deepEqual(await found(9, () => [{ ...fail, verdict: 'pass' }]), ['pass', 1, 0]);
});

test('a check is asked again when it could not say for a delay of our own, which its finding tells', async () => {
  let asked = 0;
  const heldUp = (times: number) => (): Judgement[] =>
    asked++ < times ? [{ ...fail, verdict: 'inconclusive', ours: true }] : [fail];
  for (const [times, verdict, told] of [
    [0, 'fail', 0],
    [1, 'fail', 1],
    [9, 'inconclusive', 2],
  ] as const) {
    asked = 0;
    const [finding] = await runGate(
      request([pretendCheck({ run: async () => {}, judge: heldUp(times) })], { cpu: () => undefined }),
    );
    const again = finding!.evidence.filter(({ label }) => label === 'asked again');
    assert.deepEqual([finding!.verdict, again.length, 'ours' in finding!], [verdict, told, false]);
  }
  const other = (): Judgement[] => [{ ...fail, verdict: 'inconclusive' }];
  const [finding] = await runGate(
    request([pretendCheck({ run: async () => {}, judge: other })], { cpu: () => undefined }),
  );
  assert.ok(!finding!.evidence.some(({ label }) => label === 'asked again'), 'for another reason it is not');
});

describe('in a gate', () => {
  const SPINS = ['-e', 'for (;;);'];
  /** Three neighbours leave a node a quarter of its CPU. */
  const NEIGHBOURS = 3;

  /** Started by a process that ends, so that they are nobody's of this one. Each ends by itself after 10 s. */
  async function strangers(cpu: number): Promise<number[]> {
    const loop = 'const t = Date.now(); while (Date.now() - t < 10_000);';
    const starter = `
      import { spawn } from 'node:child_process';
      for (let i = 0; i < ${NEIGHBOURS}; i++) {
        const args = ['-c', '${cpu}', process.execPath, '-e', ${JSON.stringify(loop)}];
        const one = spawn('taskset', args, { stdio: 'ignore', detached: true });
        one.unref();
        console.log(one.pid);
      }`;
    const one = spawn(process.execPath, ['--input-type=module', '-e', starter], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let told = '';
    one.stdout.on('data', (chunk) => {
      told += chunk;
    });
    await once(one, 'close');
    return told.trim().split('\n').map(Number);
  }

  /** Runs a check beside a process that stands for edge-1 and has to share its CPU. */
  async function beside(changes: Partial<Check>, then: (edge: PretendNode) => void = () => {}) {
    const { cluster, nodes } = pretendCluster();
    const edge = nodes.get('edge-1')!;
    const [cpu] = allowedCpus();
    const processes: ChildProcess[] = [];
    const neighbours: number[] = [];
    try {
      const one = spawn('taskset', ['-c', String(cpu), process.execPath, ...SPINS], { stdio: 'ignore' });
      processes.push(one);
      await once(one, 'spawn');
      edge.pid = one.pid!;
      neighbours.push(...(await strangers(cpu!)));
      const run = async () => {
        await delay(1200);
        then(edge);
      };
      const [finding] = await runGate(request([pretendCheck({ run, ...changes })], { cluster }));
      return finding!;
    } finally {
      for (const one of processes) one.kill('SIGKILL');
      for (const pid of neighbours) process.kill(pid, 'SIGKILL');
    }
  }

  test('a node that has to share its CPU makes a failure inconclusive', async () => {
    const finding = await beside({ judge: () => [fail] });
    assert.equal(finding.verdict, 'inconclusive');
    assert.match(finding.actual, /within a second (edge-1|gate) could have run for \d+ ms and did not/);
    assert.match(finding.evidence.find(({ label }) => label === 'would have been')!.detail, /^fail: /);
    assert.match(finding.evidence.find(({ label }) => label === 'starved')!.detail, /edge-1 [3-9]\d\d/);
    assert.ok(finding.starvation!.keptMs > finding.starvation!.boundMs);
  });

  test('a node that ends is a failure however busy the machine is', async () => {
    const finding = await beside({}, (edge) => {
      edge.state = 'exited';
    });
    assert.equal(finding.verdict, 'fail');
    assert.match(finding.expected, /edge-1 goes on running/);
  });
});
