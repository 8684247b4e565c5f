import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LabError, LabErrorCode } from '../../lab/errors.ts';
import { type Judgement, UnreachableError } from '../../scenarios/check.ts';
import { runGate } from '../../scenarios/gate.ts';
import type { HistoryEvent } from '../../scenarios/history.ts';
import { emptyStage, PretendTap, pretendCheck, pretendCluster, request } from './pretend.ts';

const pass: Judgement = { verdict: 'pass', expected: 'a', actual: 'a' };
const fail: Judgement = { verdict: 'fail', expected: 'b', actual: 'c' };
const shrug: Judgement = { verdict: 'inconclusive', expected: 'd', actual: 'e' };

async function one(changes: Parameters<typeof pretendCheck>[0], gate: Parameters<typeof request>[1] = {}) {
  const [finding] = await runGate(request([pretendCheck(changes)], gate));
  return finding!;
}

describe('verdicts', () => {
  test('the worst judgement is the verdict, and says why', async () => {
    const finding = await one({ judge: () => [pass, shrug, fail] });
    assert.deepEqual([finding.verdict, finding.expected, finding.actual], ['fail', 'b', 'c']);
  });

  test('passing judgements are all told', async () => {
    const finding = await one({ judge: () => [pass, { ...pass, actual: 'b' }] });
    assert.deepEqual([finding.verdict, finding.actual], ['pass', 'a; b']);
  });

  test('nothing judged is vacuous', async () => {
    const finding = await one({ judge: () => [] });
    assert.equal(finding.verdict, 'inconclusive');
    assert.match(finding.actual, /vacuous/);
  });

  test('where the clock jumped, nothing that was judged counts', async () => {
    const clock = { jumps: 3, check() {} };
    const run = async () => {
      clock.jumps++;
    };
    for (const judgement of [pass, fail]) {
      const finding = await one({ run, judge: () => [judgement] }, { clock });
      assert.deepEqual(
        [finding.verdict, finding.actual],
        ['inconclusive', 'the clock of this machine was set meanwhile'],
      );
    }
    assert.equal((await one({}, { clock })).verdict, 'pass');
  });

  test('where the clock jumped, a check is asked again, three times in all', async () => {
    for (const [jumps, verdict, runs] of [
      [1, 'fail', 2],
      [9, 'inconclusive', 3],
    ] as const) {
      const clock = { jumps: 0, check() {} };
      let ran = 0;
      const run = async () => {
        if (ran++ < jumps) clock.jumps++;
      };
      const finding = await one({ run, judge: () => [fail] }, { clock });
      assert.deepEqual([finding.verdict, ran], [verdict, runs]);
      const again = finding.evidence.filter(({ label }) => label === 'asked again');
      assert.deepEqual(
        new Set(again.map(({ detail }) => detail)),
        new Set(['the clock of this machine was set meanwhile']),
      );
      assert.equal(again.length, runs - 1);
    }
  });

  test('a judge that throws is an error', async () => {
    const finding = await one({
      judge: () => {
        throw new Error('bad judge');
      },
    });
    assert.deepEqual([finding.verdict, finding.actual], ['error', 'bad judge']);
  });

  test('a run that throws is an error, whatever the judge would have said', async () => {
    const finding = await one({
      run: async () => {
        throw new Error('bad run');
      },
    });
    assert.deepEqual([finding.verdict, finding.actual], ['error', 'bad run']);
  });

  test('a capability that is missing is unsupported, and nothing is run', async () => {
    let ran = false;
    const finding = await one(
      {
        needs: ['observe.api', 'play.flv'],
        run: async () => {
          ran = true;
        },
      },
      { cluster: pretendCluster(['observe.api']).cluster },
    );
    assert.equal(finding.verdict, 'unsupported');
    assert.match(finding.expected, /observe\.api/);
    assert.doesNotMatch(finding.expected, /play\.flv/);
    assert.equal(ran, false);
  });
});

describe('a part that the engine documents as absent', () => {
  const absent: Judgement = { verdict: 'unsupported', expected: 'x to y', actual: 'no bridge' };
  const told = { label: 'unsupported', detail: 'x to y: no bridge' };

  test('is told, and the others decide', async () => {
    const passed = await one({ judge: () => [pass, absent] });
    assert.deepEqual([passed.verdict, passed.actual, passed.evidence], ['pass', 'a', [told]]);
    const failed = await one({ judge: () => [absent, fail, pass] });
    assert.deepEqual([failed.verdict, failed.actual], ['fail', 'c']);
    assert.deepEqual(failed.evidence.at(-1), told);
  });

  test('is the verdict where there is nothing else', async () => {
    const finding = await one({ judge: () => [absent] });
    assert.deepEqual([finding.verdict, finding.actual], ['unsupported', 'no bridge']);
  });
});

describe('what is not observed', () => {
  const waits = { run: async (t: { until: Until }) => t.until('the moon', 5, () => false) };
  type Until = (what: string, ms: number, matches: () => boolean) => Promise<void>;

  test('goes to the judge, who can say what it means', async () => {
    const finding = await one({ ...waits, judge: () => [fail] });
    assert.equal(finding.verdict, 'fail');
    assert.deepEqual(finding.evidence, [{ label: 'not observed', detail: 'the moon within 5 ms' }]);
  });

  test('is never a pass, even when the judge has nothing to say against it', async () => {
    const finding = await one({ ...waits, judge: () => [pass] });
    assert.equal(finding.verdict, 'inconclusive');
    assert.match(finding.expected, /the moon/);
  });

  test('is in the history', async () => {
    const events: HistoryEvent[] = [];
    await one(waits, { onEvent: (_, event) => events.push(event) });
    assert.deepEqual(
      events.map(({ type }) => type),
      ['not-observed', 'generator', 'machine'],
    );
  });

  test('is known at once when it cannot come any more', async () => {
    const began = performance.now();
    const finding = await one({
      run: (t) => t.within('a frame', 10_000, Promise.reject(new UnreachableError('closed'))),
      judge: () => [fail],
    });
    assert.ok(performance.now() - began < 5000);
    assert.match(finding.evidence[0]!.detail, /a frame \(closed\)/);
  });

  test('until is asked about the past and after each event, without a timer', async () => {
    const finding = await one({
      async run(t) {
        t.step('first');
        await t.until('the past', 10, (history) => history.step('first') !== undefined);
        setImmediate(() => t.step('second'));
        await t.until('the future', 1000, (history) => history.step('second') !== undefined);
      },
    });
    assert.equal(finding.verdict, 'pass');
  });
});

describe('the end of a check', () => {
  test('a deadline is an error that names what was awaited', async () => {
    const finding = await one({
      deadlineMs: 20,
      run: (t) => t.until('Godot', 60_000, () => false),
    });
    assert.equal(finding.verdict, 'error');
    assert.match(finding.actual, /Godot/);
  });

  test('a deadline does not hide a failure that the judge saw', async () => {
    const finding = await one({
      deadlineMs: 20,
      run: () => new Promise(() => {}),
      judge: () => [fail],
    });
    assert.equal(finding.verdict, 'fail');
  });

  test('everything is taken down, last one first, also when run throws', async () => {
    const order: number[] = [];
    await one({
      run: async (t) => {
        t.cleanUp(() => void order.push(1));
        t.cleanUp(() => void order.push(2));
        throw new Error('bad run');
      },
    });
    assert.deepEqual(order, [2, 1]);
  });

  test('what cannot be taken down is an error', async () => {
    const finding = await one({
      run: async (t) =>
        t.cleanUp(() => {
          throw new Error('it hangs on');
        }),
    });
    assert.equal(finding.verdict, 'error');
    assert.match(finding.actual, /it hangs on/);
  });

  test('taps are not listened to any more', async () => {
    const { cluster, taps } = pretendCluster();
    await one({}, { cluster });
    assert.deepEqual(
      taps.map(({ listeners }) => listeners),
      [0, 0, 0],
    );
  });

  test('what goes on after it can neither start nor leave anything', async () => {
    const cleaned: string[] = [];
    let later: Promise<unknown> | undefined;
    await one({
      run: async (t) => {
        later = (async () => {
          await new Promise((resolve) => t.signal.addEventListener('abort', resolve));
          t.cleanUp(() => void cleaned.push('late'));
          assert.throws(() => t.play('rtmp://127.0.0.1/live/x'), /the check is over/);
        })();
      },
    });
    await later;
    await new Promise(setImmediate);
    assert.deepEqual(cleaned, ['late']);
  });

  test('an interrupt ends the check and begins no other', async () => {
    const controller = new AbortController();
    const findings = await runGate(
      request(
        [
          pretendCheck({
            run: (t) => {
              queueMicrotask(() => controller.abort(new Error('interrupted')));
              return t.until('never', 60_000, () => false);
            },
          }),
          pretendCheck({ id: 'pretend/second' }),
        ],
        { signal: controller.signal },
      ),
    );
    assert.deepEqual(
      findings.map(({ check, verdict, actual }) => [check, verdict, actual]),
      [['pretend/check', 'inconclusive', 'interrupted']],
    );
  });

  test('an interrupt makes no failure of what had not come yet', async () => {
    const controller = new AbortController();
    const finding = await one(
      {
        run: (t) => {
          queueMicrotask(() => controller.abort(new Error('interrupted')));
          return t.until('a frame', 60_000, () => false);
        },
        judge: () => [fail],
      },
      { signal: controller.signal },
    );
    assert.deepEqual([finding.verdict, finding.actual], ['inconclusive', 'c, so far; interrupted']);
  });
});

describe('nodes', () => {
  test('one that dies fails the check that it died in, and lives again for the next', async () => {
    const { cluster, nodes } = pretendCluster();
    const origin = nodes.get('origin')!;
    const findings = await runGate(
      request(
        [
          pretendCheck({
            run: async () => {
              origin.state = 'exited';
              throw new Error('connection refused');
            },
          }),
          pretendCheck({ id: 'pretend/second' }),
        ],
        { cluster },
      ),
    );
    assert.deepEqual(
      findings.map(({ verdict }) => verdict),
      ['fail', 'pass'],
    );
    assert.match(findings[0]!.expected, /origin goes on running/);
    assert.equal(origin.restarts, 1);
  });

  test('one whose end comes late fails the check that it died in, and not the next', async () => {
    const { cluster, nodes } = pretendCluster();
    const origin = nodes.get('origin')!;
    const [first, second] = await runGate(
      request(
        [
          pretendCheck({
            run: async () => {
              origin.dying = true;
            },
          }),
          pretendCheck({}),
        ],
        { cluster },
      ),
    );
    assert.deepEqual([first!.verdict, second!.verdict], ['fail', 'pass']);
    assert.match(first!.expected, /origin goes on running/);
  });

  test('one that dies of the leaving of players fails the check, too', async () => {
    const { cluster, nodes } = pretendCluster();
    const edge = nodes.get('edge-1')!;
    const dies = () => {
      edge.state = 'exited';
    };
    const finding = await one({ run: async (t) => t.cleanUp(dies) }, { cluster });
    assert.equal(finding.verdict, 'fail');
    assert.match(finding.expected, /edge-1 goes on running/);
  });

  test('one that dies between two checks is never passed over', async () => {
    const { cluster, taps, nodes } = pretendCluster();
    const edge = nodes.get('edge-2')!;
    const [first, second, third] = await runGate(
      request(
        [
          pretendCheck({
            run: async () => {
              taps[1]!.change('open');
              setTimeout(() => {
                edge.state = 'exited';
                taps[1]!.change('close');
              }, 10);
            },
          }),
          pretendCheck({}),
          pretendCheck({}),
        ],
        { cluster },
      ),
    );
    assert.deepEqual([first!.verdict, second!.verdict, third!.verdict], ['pass', 'error', 'pass']);
    assert.match(second!.actual, /edge-2 ended after the check before/);
    assert.equal(edge.restarts, 1);
  });

  test('one that the check killed is started again without a word', async () => {
    const { cluster } = pretendCluster();
    const kills = pretendCheck({ run: (t) => t.control(t.nodes('edge')[0]!, 'kill') });
    const findings = await runGate(request([kills, pretendCheck({})], { cluster }));
    assert.deepEqual(
      findings.map(({ verdict }) => verdict),
      ['pass', 'pass'],
    );
  });

  test('one that was started anew behind our back fails the check', async () => {
    const { cluster, nodes } = pretendCluster();
    const finding = await one(
      {
        run: async () => {
          nodes.get('edge-1')!.pid++;
        },
      },
      { cluster },
    );
    assert.equal(finding.verdict, 'fail');
  });

  test('one that the check killed is no finding', async () => {
    const { cluster, nodes } = pretendCluster();
    const edge = nodes.get('edge-1')!;
    const finding = await one({ run: (t) => t.control(t.nodes('edge')[0]!, 'kill') }, { cluster });
    assert.equal(finding.verdict, 'pass');
    assert.equal(edge.state, 'exited');
  });

  test('all of them start anew after a check that sent what breaks servers, and did not pass', async () => {
    const { cluster, nodes } = pretendCluster();
    const breaks = { disrupts: 'sends what breaks servers' };
    const restarts = () => [...nodes.values()].map((node) => node.restarts);
    const seen: number[][] = [];
    const look = pretendCheck({ run: async () => void seen.push(restarts()) });
    const checks = [
      pretendCheck({ ...breaks, judge: () => [pass] }),
      look,
      pretendCheck({ judge: () => [fail] }),
      look,
      pretendCheck({ ...breaks, judge: () => [fail] }),
      look,
      look,
    ];
    const findings = await runGate(request(checks, { cluster }));
    assert.deepEqual(
      findings.map(({ verdict }) => verdict),
      ['pass', 'pass', 'fail', 'pass', 'fail', 'pass', 'pass'],
    );
    assert.deepEqual(
      seen.map((each) => [...new Set(each)]),
      [[0], [0], [1], [1]],
    );
  });

  test('those that cannot be started anew stay as they are', async () => {
    const { cluster, nodes } = pretendCluster();
    nodes.get('edge-1')!.restart = async () => {
      throw new LabError(LabErrorCode.Absent, 'edge-1 has no restart');
    };
    const breaks = pretendCheck({
      disrupts: 'sends what breaks servers',
      judge: () => [fail],
    });
    const [, next] = await runGate(request([breaks, pretendCheck({})], { cluster }));
    assert.equal(next!.verdict, 'pass');
    assert.deepEqual([nodes.get('origin')!.restarts, nodes.get('edge-1')!.restarts], [1, 0]);
  });

  test('one that does not start again is an error of the next check', async () => {
    const { cluster, nodes } = pretendCluster();
    const edge = nodes.get('edge-1')!;
    edge.state = 'exited';
    edge.restart = async () => {
      throw new Error('port taken');
    };
    const finding = await one({}, { cluster });
    assert.deepEqual([finding.verdict, finding.actual], ['error', 'port taken']);
  });
});

describe('rest between checks', () => {
  test('is awaited by events', async () => {
    const { cluster, taps } = pretendCluster();
    taps[0]!.change('open');
    setTimeout(() => taps[0]!.change('close'), 20);
    const events: string[] = [];
    const finding = await one({}, { cluster, onEvent: (_, event) => events.push(event.type) });
    assert.equal(finding.verdict, 'pass');
    assert.deepEqual(
      events,
      ['generator', 'machine'],
      'what an earlier check left is not in the history of this one',
    );
  });

  test('that does not come is an error, and the edge starts anew', async () => {
    const { cluster, taps, nodes } = pretendCluster();
    taps[0]!.change('open');
    nodes.get('edge-1')!.onRestart = () => taps[0]!.change('close');
    const [finding, again] = await runGate(
      request([pretendCheck({}), pretendCheck({})], { cluster, restMs: 20 }),
    );
    assert.equal(finding!.verdict, 'error');
    assert.match(finding!.actual, /edge-1>origin: 1 open/);
    assert.equal(again!.verdict, 'pass');
  });

  test('lasts until every origin has registered again', async () => {
    const { cluster, taps } = pretendCluster();
    const heartbeat = new PretendTap('origin-1', 'proxy', 'system');
    taps.push(heartbeat);
    setTimeout(() => {
      heartbeat.change('open');
      heartbeat.bytesDown += 100;
      heartbeat.change('close');
    }, 10);
    assert.equal((await one({}, { cluster })).verdict, 'pass');
    const finding = await one({}, { cluster, restMs: 20 });
    assert.equal(finding.verdict, 'error');
    assert.match(finding.actual, /origin-1>proxy: no heartbeat/);
    // A mutant's very defect may be that it does not register.
    assert.equal((await one({}, { cluster, restMs: 20, unrest: 'restart' })).verdict, 'pass');
  });

  test('asks for no connection that is not of a stream, and starts anew whoever is behind a balancer', async () => {
    const { cluster, taps, nodes } = pretendCluster();
    const api = new PretendTap('origin-1', 'origin-2', 'api');
    api.change('open');
    taps.push(api);
    assert.equal((await one({}, { cluster, restMs: 20 })).verdict, 'pass');
    const held = new PretendTap('balancer', 'origin');
    held.change('open');
    taps.push(held);
    nodes.get('edge-2')!.onRestart = () => held.change('close');
    assert.equal((await one({}, { cluster, restMs: 20 })).verdict, 'error');
    assert.deepEqual(
      ['balancer', 'edge-1', 'edge-2', 'edge-3'].map((name) => nodes.get(name)!.restarts),
      [0, 1, 1, 1],
    );
  });

  test('that is interrupted is no error', async () => {
    const { cluster, taps } = pretendCluster();
    taps[0]!.change('open');
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    const finding = await one({}, { cluster, signal: controller.signal });
    assert.deepEqual([finding.verdict, finding.actual], ['inconclusive', 'interrupted']);
  });

  test('is forced where a mutant never rests, and the check is run', async () => {
    const { cluster, taps, nodes } = pretendCluster();
    taps[0]!.change('open');
    nodes.get('edge-1')!.onRestart = () => taps[0]!.change('close');
    const finding = await one({}, { cluster, restMs: 20, unrest: 'restart' });
    assert.equal(finding.verdict, 'pass');
    assert.equal(nodes.get('edge-1')!.restarts, 1);
    assert.equal(nodes.get('edge-2')!.restarts, 0);
  });
});

test('events of taps are in the history with the node that they are of', async () => {
  const { cluster, taps } = pretendCluster();
  const events: HistoryEvent[] = [];
  await one({ run: async () => taps[1]!.change('open') }, { cluster, onEvent: (_, e) => events.push(e) });
  const [event] = events;
  assert.ok(event?.type === 'tap.open');
  assert.deepEqual([event.from, event.tap, event.open], ['edge-2', 'edge-2>origin', 1]);
});

test('what upstreams do when everything is taken down is not in the history', async () => {
  const { cluster, taps } = pretendCluster();
  const finding = await one(
    {
      async run(t) {
        t.cleanUp(() => taps[1]!.change('close'));
        taps[1]!.change('open');
      },
      judge: (history) => [history.of('tap.close').length === 0 ? pass : fail],
    },
    { cluster },
  );
  assert.equal(finding.verdict, 'pass');
});

test('a stage that cannot is an error of the check', async () => {
  const finding = await one(
    { run: async (t) => void t.play('rtmp://127.0.0.1/live/x') },
    { stage: emptyStage },
  );
  assert.deepEqual([finding.verdict, finding.actual], ['error', 'nobody plays here']);
});
