import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  deadOrigin,
  flappingOrigin,
  growth,
  proxiesAgree,
  restartedOrigin,
} from '../../../scenarios/conformance/proxy-changes.ts';
import type { MediaItem } from '../../../scenarios/history.ts';
import { asked } from './proxy-story.ts';
import { audio, judgeWith, Timeline, video } from './timeline.ts';

const CHECKS = [deadOrigin, restartedOrigin, flappingOrigin, proxiesAgree, growth];
const verdict = (slug: string, timeline: Timeline) => judgeWith(CHECKS, `proxy/${slug}`, timeline).verdict;

test('nothing seen is not a pass', () => {
  for (const { id } of CHECKS)
    assert.equal(judgeWith(CHECKS, id, new Timeline()).verdict, 'inconclusive', id);
});

describe('dead-origin', () => {
  interface Course {
    readonly node?: string | null;
    readonly taken?: number;
    readonly again?: number;
    /** Whether that was waited for. Default where too little was sent. */
    readonly tried?: boolean;
    /** Of each request once the dead origin is out of the rotation. */
    readonly statuses?: readonly number[];
    /** Whether the new streams were counted. Default true. */
    readonly counted?: boolean;
    /** Who is killed. Default that origin. */
    readonly killed?: string;
  }
  const ABSENT = Array.from({ length: 30 }, () => 404);
  const of = ({
    node = 'origin-1',
    taken = 30,
    again = 25,
    tried = again < 25,
    statuses = ABSENT,
    counted = true,
    killed = 'origin-1',
  }: Course = {}) => {
    const timeline = new Timeline().step(0, 'changes.dead', { node }).control(5, killed, 'kill');
    if (counted) timeline.step(10, 'changes.published', { taken });
    timeline.sent('again', video({ count: again }));
    if (tried) timeline.missed(3000, 'again: NetStream.Publish.Start');
    for (const status of statuses) asked(timeline, 5000, 'after', { status });
    return verdict('dead-origin', timeline);
  };

  test('all are let in, the stream is back, nobody is sent to the dead', () => assert.equal(of(), 'pass'));
  test('one is refused, the stream stays away, a request fails', () => {
    assert.equal(of({ taken: 29 }), 'fail');
    assert.equal(of({ again: 0 }), 'fail');
    assert.equal(of({ again: 24 }), 'fail', 'and is cut off again');
    assert.equal(of({ statuses: ABSENT.with(7, 502) }), 'fail');
    assert.equal(of({ statuses: ABSENT.with(7, 0) }), 'fail');
  });
  test('too few requests, or no origin with the stream, tell nothing', () => {
    assert.equal(of({ statuses: ABSENT.slice(1) }), 'inconclusive');
    assert.equal(of({ node: null }), 'inconclusive');
  });
  test('new streams that were not counted tell nothing', () =>
    assert.equal(of({ counted: false }), 'inconclusive'));
  test('a stream that nobody tried to publish again tells nothing', () =>
    assert.equal(of({ counted: false, again: 0, tried: false, statuses: [] }), 'inconclusive'));
  test('an origin that did not die was no dead one', () =>
    assert.equal(of({ killed: 'origin-2' }), 'inconclusive'));
});

describe('restarted-origin', () => {
  /** @param status of what is asked after the restart. */
  const of = (streams: number, same: number, anew: number, status = 404) => {
    const timeline = new Timeline();
    for (let i = 0; i < streams; i++) asked(timeline, 1, 'again', { status: 404 });
    for (let i = 0; i < streams; i++) asked(timeline, 2, 'again', { status: i < anew ? 404 : status });
    return verdict('restarted-origin', timeline.step(3, 'changes.anew', { streams, same, anew }));
  };

  test('a heartbeat changes nothing, a restart does', () => assert.equal(of(8, 8, 3), 'pass'));
  test('a heartbeat moves streams, a restart none', () => {
    assert.equal(of(8, 7, 3), 'fail');
    assert.equal(of(8, 8, 8), 'fail');
  });
  test('too few streams tell nothing', () => assert.equal(of(7, 7, 3), 'inconclusive'));
  test('a proxy that answers nobody after the restart has picked nothing anew', () => {
    assert.equal(of(8, 8, 0, 0), 'inconclusive');
    assert.equal(of(8, 8, 0, 502), 'inconclusive');
  });
});

describe('flapping-origin', () => {
  const media = video({ count: 60 });
  const of = ({
    node = 'origin-2' as string | null,
    taken = 18,
    got = media as readonly MediaItem[],
    counted = true,
    kills = 3,
    lostAt = undefined as number | undefined,
    lastAt = 500,
    lastMet = 'ECONNREFUSED' as string | null,
    sent = media as readonly MediaItem[],
  } = {}) => {
    const timeline = new Timeline().step(0, 'changes.flapping', { node });
    for (let i = 0; i < kills; i++) {
      const at = i < 2 ? i : lastAt;
      timeline.killSeen(at, 'origin-2', i < 2 ? 'ECONNREFUSED' : lastMet).control(at, 'origin-2', 'restart');
    }
    if (lostAt !== undefined) timeline.lost(lostAt, 'player');
    if (counted) timeline.step(10, 'changes.published', { taken });
    return verdict('flapping-origin', timeline.sent('steady', sent).got('player', got));
  };

  test('everybody is let in, and the player of another origin gets every frame', () =>
    assert.equal(of(), 'pass'));
  test('one is refused, a frame is lost, another one comes', () => {
    assert.equal(of({ taken: 17 }), 'fail');
    assert.equal(of({ got: media.toSpliced(30, 1) }), 'fail');
    assert.equal(of({ got: media.with(30, { ...media[30]!, sum: 1 }) }), 'fail');
  });
  test('sound that was sent and does not come is missed', () => {
    const sent = [...media, ...audio({ count: 60 })];
    assert.equal(of({ sent, got: sent }), 'pass');
    assert.equal(of({ sent, got: media }), 'fail');
  });
  test('too few frames, or no origin with the stream, tell nothing', () => {
    assert.equal(of({ got: media.slice(0, 10) }), 'inconclusive');
    assert.equal(of({ node: null }), 'inconclusive');
    assert.equal(of({ counted: false }), 'inconclusive');
  });
  test('a player that is sent away after many frames does not get every one', () =>
    assert.equal(of({ got: media.slice(0, 40), lostAt: 1700 }), 'fail'));
  test('frames of before the last death are none of after it', () =>
    assert.equal(of({ lastAt: 2000 }), 'inconclusive'));
  test('an origin that died less often did not flap', () => {
    assert.equal(of({ kills: 2 }), 'inconclusive');
    assert.equal(of({ kills: 0 }), 'inconclusive');
  });
  test('one that was not seen to be gone, once of three times, did not', () => {
    assert.equal(of({ lastMet: 'EHOSTUNREACH' }), 'pass');
    assert.equal(of({ lastMet: 'open' }), 'inconclusive');
    assert.equal(of({ lastMet: null }), 'inconclusive', 'nobody looked');
  });
});

describe('two-proxies-agree', () => {
  const streams = Array.from({ length: 10 }, (_, i) => `s${i}`);
  const of = ({ apart = 0, frames = 25, readings = true, unasked = false, absent = false } = {}) => {
    const timeline = new Timeline().step(0, 'changes.agree', { streams: streams.join(' ') });
    for (const [i, stream] of streams.entries()) {
      timeline.got(`player-${stream}`, video({ stream: i, count: i === 3 ? frames : 25 }));
      if (!readings) continue;
      timeline.api(3000, stream, { clients: absent && i === 4 ? 0 : 2 }, 'origin-1');
      if (unasked && i === 4) continue;
      timeline.api(3001, stream, { clients: i < apart ? 1 : 0, publishers: 0 }, 'origin-2');
      timeline.api(3002, stream, { clients: 0, publishers: 0 }, 'origin-3');
    }
    return verdict('two-proxies-agree', timeline);
  };

  test('each stream is at one origin and played', () => assert.equal(of(), 'pass'));
  test('one is at two origins, or its player gets too little', () => {
    assert.equal(of({ apart: 1 }), 'fail');
    assert.equal(of({ frames: 24 }), 'fail');
  });
  test('an origin that was not asked for a stream may have it, too', () =>
    assert.equal(of({ unasked: true }), 'inconclusive'));
  test('one that no origin has is at none, but where one was not asked', () => {
    assert.equal(of({ absent: true }), 'fail');
    assert.equal(of({ absent: true, unasked: true }), 'inconclusive');
  });
  test('without readings nothing is known', () => assert.equal(of({ readings: false }), 'inconclusive'));
});

describe('no-growth', () => {
  const of = (served: number, beforeMb: number, afterMb: number) =>
    verdict('no-growth', new Timeline().step(0, 'changes.grown', { served, beforeMb, afterMb }));

  test('all are served, and little is left', () => assert.equal(of(10_000, 100, 163), 'pass'));
  test('one is not served, or too much is left', () => {
    assert.equal(of(9999, 100, 110), 'fail');
    assert.equal(of(10_000, 100, 164), 'fail');
  });
  test('memory that cannot be read tells nothing', () => {
    assert.equal(of(10_000, 0, 0), 'inconclusive');
    assert.equal(of(10_000, 100, 0), 'inconclusive');
    assert.equal(of(9999, 100, 0), 'fail');
    assert.equal(of(10_000, Number.NaN, Number.NaN), 'inconclusive');
  });
});
