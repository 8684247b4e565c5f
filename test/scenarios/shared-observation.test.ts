import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Check, CheckContext } from '../../scenarios/check.ts';
import { runGate } from '../../scenarios/gate.ts';
import type { History, HistoryEvent } from '../../scenarios/history.ts';
import { shareObservation } from '../../scenarios/shared-observation.ts';
import { pretendCheck, pretendCluster, request } from './pretend.ts';

/** Two checks that share an observation; who ran it is in the history. */
function checks(observe: (t: CheckContext, by: string) => Promise<void>) {
  return ['a/one', 'a/two'].map((id) =>
    pretendCheck({
      id,
      run: (t) => shareObservation(t, 'what', () => observe(t, id)),
      judge: (history) => [
        { verdict: 'pass', expected: 'seen', actual: String(history.step('seen')?.by ?? 'nobody') },
      ],
    }),
  );
}

async function said(observe: (t: CheckContext, by: string) => Promise<void>) {
  const findings = await runGate(request(checks(observe)));
  return findings.map(({ verdict, actual }) => `${verdict}: ${actual}`);
}

test('the second check reads what the first one saw', async () => {
  let runs = 0;
  const observe = async (t: CheckContext, by: string) => {
    runs++;
    t.step('seen', { by });
  };
  assert.deepEqual(await said(observe), ['pass: a/one', 'pass: a/one']);
  assert.equal(runs, 1);
  // Another cluster is another observation.
  await runGate(request(checks(observe), { cluster: pretendCluster().cluster }));
  assert.equal(runs, 2);
});

test('the events are told once; whoever shares them refers to them', async () => {
  const told: { check: string; event: HistoryEvent }[] = [];
  const both = checks(async (t) => {
    for (const by of ['one', 'two', 'three']) t.step('seen', { by });
  });
  const [first, second] = both;
  const late: Check = {
    ...first!,
    async run(t) {
      t.step('before');
      await first!.run(t);
    },
  };
  const read: string[][] = [];
  const judge = (history: History) => {
    read.push(history.of('step').map(({ step, data }) => String(data.by ?? step)));
    return first!.judge(history);
  };
  await runGate(
    request(
      [
        { ...late, judge },
        { ...second!, judge },
      ],
      {
        onEvent: (check, event) => told.push({ check, event }),
      },
    ),
  );
  assert.deepEqual(read, [
    ['before', 'one', 'two', 'three'],
    ['one', 'two', 'three'],
  ]);
  const of = (id: string) => told.filter(({ check }) => check === id).map(({ event }) => event);
  const reference = of('a/two').find(({ type }) => type === 'shared');
  assert.ok(reference?.type === 'shared');
  assert.deepEqual([reference.observation, reference.seenBy], ['what', 'a/one']);
  const meant = of('a/one').slice(reference.first, reference.first + reference.events);
  assert.deepEqual(
    meant.map((event) => (event.type === 'step' ? event.data.by : event.type)),
    ['one', 'two', 'three', 'generator', 'machine'],
  );
  assert.deepEqual(
    of('a/two').filter(({ type }) => type === 'step'),
    [],
  );
});

test('what was not observed ends both', async () => {
  const lines = await said((t) => t.until('the impossible', 10, () => false));
  assert.equal(lines.length, 2);
  for (const line of lines) assert.match(line, /^inconclusive: not observed/);
});

test('a failure of the observation itself is not shared', async () => {
  const lines = await said(async (t, by) => {
    if (by === 'a/one') throw new Error('broken');
    t.step('seen', { by });
  });
  assert.deepEqual(lines, ['error: broken', 'pass: a/two']);
});
