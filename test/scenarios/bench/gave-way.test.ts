import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endingOf, perClientOf } from '../../../scenarios/bench/gave-way.ts';
import { step, unhealthy } from '../../reports/samples-bench.ts';

const AT = { limit: 1000, cores: 2 };
const HELD = step({ value: 400 });

test('a broken SLO with a healthy generator and cores to spare is the server’s, and the number is exact', () => {
  const failed = step({ value: 440, holds: false, breaches: ['stalled 4 %'], machineShare: 0.7 });
  const ending = endingOf({ steps: [HELD, failed], largest: HELD, failed, end: 'bracketed' }, AT);
  assert.deepEqual(
    [ending.largest, ending.failedAt, ending.lowerBound, ending.gaveWay],
    [400, 440, false, 'server'],
  );
  assert.match(ending.why, /at 440: stalled 4 %, with a healthy generator; 70 %/);
});

test('an unhealthy generator gives a lower bound, whatever the SLO says', () => {
  const failed = step({ value: 440, holds: false, breaches: ['stalled 4 %'], generator: unhealthy() });
  const ending = endingOf({ steps: [HELD, failed], largest: HELD, failed, end: 'bracketed' }, AT);
  assert.deepEqual([ending.lowerBound, ending.gaveWay], [true, 'generator']);
  assert.match(ending.why, /event loop lag/);
});

test('a machine without a core to spare gave way itself', () => {
  const failed = step({ value: 440, holds: false, breaches: ['stalled 4 %'], machineShare: 0.97 });
  const ending = endingOf({ steps: [HELD, failed], largest: HELD, failed, end: 'bracketed' }, AT);
  assert.deepEqual([ending.lowerBound, ending.gaveWay], [true, 'machine']);
  assert.match(
    ending.why,
    /97 % of the machine’s 2 cores were busy, of which servers took 0.4, the generator 0.2/,
  );
  const late = endingOf(
    { steps: [], largest: HELD, failed: { ...failed, generator: unhealthy() }, end: 'bracketed' },
    AT,
  );
  assert.equal(late.gaveWay, 'machine');
});

test('without a step that fails the number is a lower bound, and nobody gave way', () => {
  const limit = endingOf(
    { steps: [HELD], largest: HELD, failed: undefined, end: 'limit' },
    { ...AT, limit: 400 },
  );
  assert.deepEqual([limit.lowerBound, limit.gaveWay, limit.failedAt], [true, 'nobody', null]);
  assert.match(limit.why, /limit of the ladder, 400/);
  const time = endingOf({ steps: [HELD], largest: HELD, failed: undefined, end: 'time' }, AT);
  assert.match(time.why, /time was over/);
});

test('a server that gave way before the ladder was narrowed down carries at least what held', () => {
  const failed = step({ value: 800, holds: false, breaches: ['stalled 4 %'] });
  const ending = endingOf({ steps: [HELD, failed], largest: HELD, failed, end: 'time' }, AT);
  assert.deepEqual([ending.gaveWay, ending.lowerBound], ['server', true]);
});

test('a client costs what the steps that held differ in: what is there anyway is in none of it', () => {
  const server = (cores: number, rssMb: number) => ({ cores, rssMb, nodes: [] });
  const per = perClientOf([
    step({ value: 100, server: server(0.15, 110) }),
    step({ value: 1100, server: server(0.35, 210) }),
    step({ value: 2000, holds: false, server: server(2, 900) }),
  ]);
  assert.ok(Math.abs(per.serverCores! - 0.0002) < 1e-9);
  assert.ok(Math.abs(per.serverKb! - 102.4) < 1e-6);
  assert.deepEqual(perClientOf([HELD]).serverCores, null);
});

test('what nodes keep of a larger number is not the memory of a client', () => {
  const at = (value: number, rssMb: number, holds = true) =>
    step({ value, holds, server: { cores: value / 1000, rssMb, nodes: [] } });
  const foot = perClientOf([at(500, 300), at(1000, 450, false), at(250, 440)]);
  assert.equal(foot.serverKb, null);
  assert.ok(Math.abs(foot.serverCores! - 0.001) < 1e-9);
  assert.equal(perClientOf([at(1000, 450, false), at(250, 440), at(500, 441)]).serverKb, null);
  assert.equal(perClientOf([at(250, 300), at(500, 325), at(1000, 450, false)]).serverKb, 102.4);
});
