import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckContext } from '../../scenarios/check.ts';
import { runGate } from '../../scenarios/gate.ts';
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
