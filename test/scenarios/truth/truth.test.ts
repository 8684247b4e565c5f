import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { truth } from '../../../cli/truth.ts';
import type { Publisher } from '../../../drivers/client.ts';
import { PlayerModel } from '../../../drivers/measure/player-model.ts';
import { HealthMonitor, MAX_LOOP_LAG_P99_MS } from '../../../drivers/swarm/health.ts';
import { MediaType } from '../../../protocols/media.ts';
import { DOCTORINGS, Doctored } from '../../../scenarios/truth/doctored.ts';
import { framesRows } from '../../../scenarios/truth/frames.ts';
import { Rig } from '../../../scenarios/truth/rig.ts';
import {
  judgeTruth,
  LATENCY_TOLERANCE_MS,
  LEAST_SAMPLES,
  MAX_RIG_LAG_MS,
  type Observation,
} from '../../../scenarios/truth/rows.ts';
import { runTruth } from '../../../scenarios/truth/run.ts';
import { blockedRows, judgeLate, STREAM } from '../../../scenarios/truth/starved.ts';
import { watch } from '../../../scenarios/truth/viewer.ts';

const HEALTHY = { lagP99Ms: 1, reasons: [] };
const LATENCY: Observation = {
  protocol: 'rtmp',
  part: 'latency',
  injected: '50 ms of delay',
  figure: 'steady latency p50',
  unit: 'ms',
  expected: 55,
  reported: 56,
  tolerance: LATENCY_TOLERANCE_MS,
  samples: 100,
};
const COUNT: Observation = {
  ...LATENCY,
  part: 'frames',
  figure: 'frames missing',
  unit: '',
  expected: 7,
  reported: 7,
  tolerance: 0,
};

describe('the judge of figures', () => {
  it('passes true ones', () => {
    assert.equal(judgeTruth(LATENCY, HEALTHY).verdict, 'pass');
    assert.equal(judgeTruth(COUNT, HEALTHY).verdict, 'pass');
  });

  it('fails a meter that forgets 10 ms, or adds them', () => {
    for (const reported of [46, 65]) {
      const { verdict, because } = judgeTruth({ ...LATENCY, reported }, HEALTHY);
      assert.equal(verdict, 'fail');
      assert.match(because, /^off by -?\d+ ms, at most 5 ms$/);
    }
  });

  it('fails a counter that is off by one, either way', () => {
    for (const reported of [6, 8]) assert.equal(judgeTruth({ ...COUNT, reported }, HEALTHY).verdict, 'fail');
  });

  it('fails a figure that is not there', () => {
    for (const reported of [null, Number.NaN]) {
      assert.equal(judgeTruth({ ...LATENCY, reported }, HEALTHY).verdict, 'fail');
    }
  });

  it('does not pass what there is nothing to hold against', () => {
    assert.equal(judgeTruth({ ...LATENCY, expected: Number.NaN }, HEALTHY).verdict, 'fail');
  });

  it('judges nothing while the rig is late, or of too few frames', () => {
    const wrong = { ...LATENCY, reported: 500 };
    assert.equal(judgeTruth(wrong, { ...HEALTHY, lagP99Ms: MAX_RIG_LAG_MS + 1 }).verdict, 'inconclusive');
    assert.equal(judgeTruth(wrong, { ...HEALTHY, reasons: ['the clock was set'] }).verdict, 'inconclusive');
    assert.equal(judgeTruth({ ...wrong, samples: LEAST_SAMPLES - 1 }, HEALTHY).verdict, 'inconclusive');
  });

  it('does not judge a worker who is later by what others kept it from the processors, nor where that is much, or unknown', () => {
    const late = { ...LATENCY, tolerance: 48, expected: 1009 };
    for (const [reported, waitedMs, verdict] of [
      [1057, 0, 'pass'],
      [1058, 0, 'fail'],
      [1057, 40, 'pass'],
      [1058, 40, 'inconclusive'],
      [1097, 40, 'inconclusive'],
      [1098, 40, 'fail'],
      [961, 40, 'pass'],
      [960, 40, 'fail'],
      [1009, 49, 'inconclusive'],
      [1009, undefined, 'inconclusive'],
    ] as const) {
      const row = judgeLate({ ...late, reported }, HEALTHY, waitedMs);
      assert.equal(row.verdict, verdict, `${reported} ms, waited ${waitedMs} ms`);
    }
  });

  it('judges counts until a load would not be judged either', () => {
    assert.equal(judgeTruth(COUNT, { ...HEALTHY, lagP99Ms: MAX_LOOP_LAG_P99_MS }).verdict, 'pass');
    assert.equal(
      judgeTruth(COUNT, { ...HEALTHY, lagP99Ms: MAX_LOOP_LAG_P99_MS + 1 }).verdict,
      'inconclusive',
    );
  });
});

it('a loop that is blocked for 200 ms in a second is an unhealthy one', async () => {
  const monitor = new HealthMonitor();
  await sleep(100);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  await sleep(1000);
  const { loopLagP99Ms } = monitor.read();
  monitor.stop();
  assert.ok(loopLagP99Ms > MAX_LOOP_LAG_P99_MS, `${loopLagP99Ms}`);
});

it('the viewer who looks every millisecond and the player model see the same stalls', () => {
  // Frames of 40 ms; from frame 60 on they come `lateMs` later, and `lost` of them never do.
  for (const [lateMs, lost] of [
    [0, 0],
    [900, 0],
    [3000, 0],
    [500, 12],
    [2000, 50],
  ] as const) {
    const arrivals = Array.from({ length: 200 }, (_, frame) => ({
      timestamp: frame * 40,
      at: 1000 + frame * 40 + (frame < 60 + lost ? 0 : Math.max(0, lateMs - lost * 40)),
    })).filter((_, frame) => frame < 60 || frame >= 60 + lost);
    const model = new PlayerModel();
    for (const { timestamp, at } of arrivals) model.frame(timestamp, at);
    const until = arrivals.at(-1)!.at;
    const saw = watch(arrivals, until);
    assert.equal(model.stallsUntil(until), saw.stalls, `${lateMs} ms, ${lost} lost`);
    assert.ok(Math.abs(model.stalledUntil(until) - saw.stalledMs) <= 40, `${lateMs} ms, ${lost} lost`);
  }
});

for (const doctoring of DOCTORINGS) {
  it(`a publisher whose frames are ${doctoring} counts them, and leaves keyframes as they are`, () => {
    const sent: number[] = [];
    const stamps: number[] = [];
    const doctored = new Doctored(doctoring);
    const publisher = doctored.around({
      send: (_type, timestamp, body) => {
        sent.push(body[5]!);
        stamps.push(timestamp);
        return true;
      },
    } as Publisher);
    doctored.active = true;
    const frames = 40;
    for (let frame = 0; frame < frames; frame++) {
      publisher.send(
        MediaType.video,
        frame * 40,
        Uint8Array.of(frame % 10 === 9 ? 0x17 : 0x27, 1, 0, 0, 0, frame),
      );
    }
    assert.ok(doctored.count >= 3, `${doctored.count}`);
    const inOrder = sent.filter((frame, at) => at === 0 || frame > sent[at - 1]!).length;
    const [length, missing] = [sent.length - frames, frames - new Set(sent).size];
    const { count } = doctored;
    if (doctoring === 'left out') assert.deepEqual([length, missing], [-count, count]);
    if (doctoring === 'twice') assert.deepEqual([length, missing], [count, 0]);
    if (doctoring === 'swapped') assert.deepEqual([length, missing, frames - inOrder], [0, 0, count]);
    assert.deepEqual(
      stamps,
      [...stamps].sort((a, b) => a - b),
    );
  });
}

describe('liveproof truth', () => {
  const surroundings = () => ({ stdout: new PassThrough(), stderr: new PassThrough() });
  const row = (verdict: 'pass' | 'fail' | 'inconclusive') => ({ ...LATENCY, verdict, because: '' });

  it('has the exit code of the worst figure, and says how many are true', async () => {
    for (const [verdict, code] of [
      ['pass', 0],
      ['fail', 1],
      ['inconclusive', 3],
    ] as const) {
      const around = surroundings();
      const options = { protocol: [], only: [] };
      assert.equal(await truth(options, async () => [row('pass'), row(verdict)], around), code);
      assert.match(String(around.stdout.read()), /^protocol +injected[\s\S]*of 2 figures are true/);
    }
  });

  it('is inconclusive without a figure', async () => {
    assert.equal(await truth({ protocol: [], only: [] }, async () => [], surroundings()), 3);
  });

  it('writes JSON and a Markdown table', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'liveproof-truth-test-'));
    try {
      const json = join(directory, 'truth.json');
      const around = surroundings();
      await truth({ protocol: [], only: [], json, markdown: true }, async () => [row('pass')], around);
      assert.match(String(around.stdout.read()), /\| latency \| steady latency p50 \| 1 ms \| 5 ms \|/);
      const { verdict, rows } = JSON.parse(readFileSync(json, 'utf8'));
      assert.deepEqual([verdict, rows[0].reported], ['pass', 56]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

it('for real: wrong frames are counted, and what a blocked reader gets late is late', async () => {
  const rig = await Rig.open(new AbortController().signal);
  try {
    const publication = await rig.publish('rtmp', STREAM);
    const rows = await Promise.all([
      framesRows(rig, ['flv', 'srt'], 1000),
      blockedRows(rig, publication, 1000),
    ]);
    assert.deepEqual(
      rows.map(({ length }) => length),
      [12, 3],
    );
    const verdicts = rows.flat().filter(({ verdict }) => verdict !== 'pass' && verdict !== 'inconclusive');
    assert.deepEqual(verdicts, []);
  } finally {
    await rig.close();
  }
});

it('for real: the part that is interrupted tells nothing, and no other begins', async () => {
  const abort = new AbortController();
  const began: string[] = [];
  const rows = await runTruth({
    protocols: ['flv'],
    parts: ['frames', 'pause'],
    windowMs: 1000,
    signal: abort.signal,
    onPart: (part) => {
      began.push(part);
      setTimeout(() => abort.abort(), 1000);
    },
  });
  assert.deepEqual(began, ['frames']);
  for (const { verdict, because } of rows)
    assert.deepEqual([verdict, because], ['inconclusive', 'interrupted']);
});
