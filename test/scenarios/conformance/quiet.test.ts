import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { QUIET_CHECKS } from '../../../scenarios/conformance/quiet.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

const verdict = (id: string, timeline: Timeline): string =>
  judgeWith(QUIET_CHECKS, `fan-out/${id}`, timeline).verdict;

describe('goes-on', () => {
  const course = (framesOfWorst: number, sent = 825, joined = 4) =>
    verdict(
      'goes-on',
      new Timeline()
        .sent('publisher', video({ count: sent }))
        .crowd(34_000, 'lasting', { requested: 4, joined, framesOfWorst }),
    );

  test('as many frames as half a minute has, for everybody', () => {
    assert.equal(course(825), 'pass');
    assert.equal(course(824), 'fail');
    assert.equal(course(750), 'fail');
  });

  test('a stream that was not sent for so long, and players who did not come, say nothing', () => {
    assert.equal(course(800, 824), 'inconclusive');
    assert.equal(course(825, 825, 3), 'inconclusive');
  });

  test('a publisher who is cut off after half a minute fails, one that leaves says nothing', () => {
    const closed = (reason: 'remote' | 'local') =>
      new Timeline()
        .sent('publisher', video({ count: 750 }))
        .lost(30_000, 'publisher', reason)
        .crowd(34_000, 'lasting', { requested: 4, joined: 4, framesOfWorst: 750 });
    assert.equal(verdict('goes-on', closed('remote')), 'fail');
    assert.equal(verdict('goes-on', closed('local')), 'inconclusive');
  });

  test('the same frames again are not the stream that goes on, and frames without a number may be', () => {
    const counted = (figures: { duplicated?: number; unstamped?: number }) =>
      new Timeline()
        .sent('publisher', video({ count: 825 }))
        .crowd(34_000, 'lasting', { requested: 4, joined: 4, framesOfWorst: 825, ...figures });
    assert.equal(verdict('goes-on', counted({ duplicated: 1 })), 'fail');
    assert.equal(verdict('goes-on', counted({ unstamped: 1 })), 'inconclusive');
  });

  test('a delay of our own is not the cluster’s', () => {
    const late = (framesOfWorst: number) =>
      new Timeline()
        .sent('publisher', video({ count: 825 }))
        .crowd(34_000, 'lasting', { requested: 4, joined: 4, framesOfWorst })
        .generator(34_001, 800);
    assert.equal(verdict('goes-on', late(800)), 'inconclusive');
    assert.equal(verdict('goes-on', late(750)), 'fail', 'no delay of 0.8 s takes 3 s of frames');
  });
});

describe('api-counts', () => {
  const upstreamsOf = { 'edge-1': 1 };
  const playing = (players: number) =>
    new Timeline()
      .step(1000, 'players', { stream: 's', nodes: 'origin edge-1', perNode: 6 })
      .api(1100, 's', { clients: players + 2, upstreamsOf, publishers: 1 })
      .api(1200, 's', { clients: 6, publishers: 0 }, 'edge-1');
  const left = (players: number, timeline = playing(6)) =>
    timeline
      .step(2000, 'left')
      .api(2100, 's', { clients: players, publishers: 0 }, 'edge-1')
      .api(2200, 's', { clients: 1, publishers: 1 });

  test('all while they play, nobody afterwards', () => assert.equal(verdict('api-counts', left(0)), 'pass'));
  test('one too few or too many fails', () => {
    assert.equal(verdict('api-counts', playing(5)), 'fail');
    assert.equal(verdict('api-counts', playing(7)), 'fail');
    assert.equal(verdict('api-counts', left(1)), 'fail');
  });
  test('before they have left nobody can say', () =>
    assert.equal(verdict('api-counts', playing(6)), 'inconclusive'));
});
