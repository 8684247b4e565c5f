import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capacityClaims } from '../../scenarios/bench/claims.ts';
import { measureOneNode } from '../../scenarios/bench/one-node.ts';
import { PROFILE_OF } from '../../scenarios/bench/profile.ts';
import { DEFAULT_SLO } from '../../scenarios/bench/slo.ts';

const FEW_AND_MANY = { few: 2, many: 40 };

function context(signal: AbortSignal) {
  const oneNode = { rtmp: FEW_AND_MANY, publishers: FEW_AND_MANY, webrtc: FEW_AND_MANY, ms: 1500 };
  return {
    profile: { ...PROFILE_OF.quick, oneNode },
    slo: DEFAULT_SLO,
    signal,
    show: () => {},
  };
}

test('one process is measured with few and with many players and publishers of RTMP, and players of WebRTC', async () => {
  const { signal } = new AbortController();
  const measured = await measureOneNode({ engine: 'builtin', signal }, context(signal));
  assert.deepEqual(
    measured.map(({ topology, engine, climbs, protocol }) => [topology, engine, climbs, protocol]),
    [
      ['one-node', 'builtin', 'players', 'rtmp'],
      ['one-node', 'builtin', 'publishers', 'rtmp'],
      ['one-node', 'builtin', 'players', 'webrtc'],
    ],
  );
  // Whether all got all in time, a busy machine decides.
  for (const { largest } of measured) assert.ok([null, 2, 40].includes(largest), `${largest}`);
  assert.deepEqual(
    capacityClaims(measured, 490_000).map(({ id }) => id),
    [
      'players-per-core/rtmp/one-node',
      'publishers-per-core/rtmp/one-node',
      'players-per-core/webrtc/one-node',
    ],
  );
});

test('what an interruption cuts off is not told', async () => {
  const signal = AbortSignal.abort();
  assert.deepEqual(await measureOneNode({ engine: 'builtin', signal }, context(signal)), []);
});
