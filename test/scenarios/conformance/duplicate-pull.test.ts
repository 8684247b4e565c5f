import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DUPLICATE_PULL } from '../../../scenarios/conformance/duplicate-pull.ts';
import type { StepData } from '../../../scenarios/history.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

/** One host of one edge, which fetches the stream once. */
function verdict({ players = 'front', pulls = 1, ...setting }: StepData & { pulls?: number } = {}): string {
  const timeline = new Timeline()
    .step(0, 'hosts', {
      stream: 's',
      origins: 'o',
      fronts: 'front',
      'front.edges': 'edge',
      'front.pullers': 'edge',
      ...setting,
    })
    .step(1, 'players', { players })
    .sent('publisher', video({ count: 30 }))
    .got('front', video({ count: 30 }));
  for (let pull = 0; pull < pulls; pull++) timeline.open(10, 'edge', 'o');
  timeline.api(20, 's', { clients: 2 }, 'edge');
  timeline.api(30, 's', { upstreamsOf: pulls > 0 ? { edge: pulls } : {} }, 'o').step(40, 'counted');
  return judgeWith(DUPLICATE_PULL, 'back-to-source/duplicate-pull', timeline).verdict;
}

test('one pull passes, two fail', () => {
  assert.equal(verdict(), 'pass');
  assert.equal(verdict({ pulls: 2 }), 'fail');
});

test('without players, hosts, or somebody who fetches, nothing is fetched once', () => {
  assert.equal(verdict({ players: '' }), 'inconclusive');
  assert.equal(verdict({ fronts: '' }), 'inconclusive');
  assert.equal(verdict({ 'front.pullers': '', pulls: 0 }), 'inconclusive');
});

test('taps and API that both saw no pull of what players got are blind', () =>
  assert.equal(verdict({ pulls: 0 }), 'inconclusive'));
