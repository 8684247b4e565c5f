/** What was met at the node itself, where its clients alone would not tell that a fault was none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAILOVER_CHECKS } from '../../../scenarios/conformance/failover.ts';
import { FailoverStep, stepOf, type Watched } from '../../../scenarios/failover-steps.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

type Action = 'kill' | 'freeze' | 'thaw';

/** Who freezes, and goes on where that is a part of the check; who dies. */
const CHECKS: Readonly<Record<string, { group: string; actions: readonly Action[] }>> = {
  'cache-killed': { group: 'cache', actions: ['freeze', 'kill'] },
  'edge-behind-nginx': { group: 'web', actions: ['freeze', 'kill'] },
  'ladder-origin-frozen': { group: 'frozen-ladder', actions: ['freeze'] },
  'ladder-origin-killed': { group: 'ladder', actions: ['kill'] },
  'master-frozen': { group: 'masters', actions: ['freeze', 'thaw'] },
  'master-killed': { group: 'masters', actions: ['kill'] },
  'proxied-origin-frozen': { group: 'proxied-origin', actions: ['freeze', 'thaw'] },
  'proxied-origin-killed': { group: 'proxied-origin', actions: ['kill'] },
  'proxy-frozen': { group: 'proxy', actions: ['freeze', 'thaw'] },
  'proxy-killed': { group: 'proxy', actions: ['kill'] },
};

const FAULT = 2000;
const END = 8300;

const asked = { boundMs: 3000, since: 'fault', why: 'so says a document', lossless: false } as const;

/** An encoder and a viewer come back, as after the fault. @param without effect: what was done. */
function course(check: string, without?: Action) {
  const { group, actions } = CHECKS[check]!;
  const watched: Watched[] = [
    { ...asked, group, client: 'viewer', publisher: 'encoder', part: 'returns' },
    { ...asked, group, client: 'encoder', publisher: 'encoder', part: 'publishes' },
  ];
  const timeline = new Timeline().sent('encoder', video({ count: 200 })).got(
    'viewer',
    video({ count: 200 }).filter(({ stamp }) => stamp!.frame < 50 || stamp!.frame >= 100),
  );
  for (const one of watched) {
    timeline.step(0, FailoverStep.watched, stepOf(one));
    const { client } = one;
    timeline.history.append({ t: FAULT + 100, type: 'client.attempt', client, session: 2, waitedMs: 0 });
  }
  if (actions.includes('freeze')) timeline.freezeSeen(FAULT, 'frozen', without === 'freeze');
  if (actions.includes('kill'))
    timeline.killSeen(FAULT, 'killed', without === 'kill' ? 'open' : 'ECONNREFUSED');
  if (actions.includes('thaw')) {
    timeline.control(END - 1000, 'frozen', 'thaw');
    if (without !== 'thaw') timeline.answered(END - 990, 'frozen');
  }
  return judgeWith(FAILOVER_CHECKS, `failover/${check}`, timeline.generator(END, 5));
}

const SAYS: Readonly<Record<Action, string>> = {
  kill: 'its port took a connection 1 ms later',
  freeze: 'it answered after 1 ms: HTTP status 200',
  thaw: 'it did not answer',
};

for (const [check, { actions }] of Object.entries(CHECKS)) {
  test(`${check}: a node that was met as it was said to be`, () =>
    assert.deepEqual(course(check), { verdict: 'pass', says: '' }));
  for (const action of actions) {
    test(`${check}: a ${action} without effect tells nothing, whatever became of the clients`, () =>
      assert.deepEqual(course(check, action), { verdict: 'inconclusive', says: SAYS[action] }));
  }
}
