import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { figuresOf } from '../../../scenarios/browser/figures.ts';
import { findingsOf, proofOf } from '../../../scenarios/browser/findings.ts';
import { judgeBrowser, REQUIREMENTS } from '../../../scenarios/browser/judge.ts';
import type { BrowserRecord } from '../../../scenarios/browser/record.ts';
import { FRAMES, recordOf, type Script, withPage } from './records.ts';

function verdicts(script: Script = {}): Record<string, string> {
  const record = recordOf(script);
  const judged = judgeBrowser(record, figuresOf(record));
  return Object.fromEntries([...judged].map(([requirement, { verdict }]) => [requirement, verdict]));
}

/** All but these pass. */
function others(bad: Record<string, string>): Record<string, string> {
  return { ...Object.fromEntries(REQUIREMENTS.map((name) => [name, 'pass'])), ...bad };
}

const REFUSAL = "Access to fetch at 'x' from origin 'y' has been blocked by CORS policy: No header.";
const LOST = [60, 100, 140, 180, 220];

describe('the judge of the browser', () => {
  it('lets pass what plays as it should', () => {
    assert.deepEqual(verdicts(), others({}));
  });

  it('fails a page that may not read, and then knows nothing of the rest but that nothing came', () => {
    const refused = { frames: [], change: (record: BrowserRecord) => ({ ...record, console: [REFUSAL] }) };
    assert.deepEqual(verdicts(refused), {
      cors: 'fail',
      'first-picture': 'fail',
      stalls: 'inconclusive',
      frames: 'inconclusive',
      latency: 'inconclusive',
    });
  });

  it('proves nothing of what follows with one picture', () => {
    const { pictures } = recordOf().page;
    const one = withPage({ pictures: pictures.slice(0, 1), endedAt: pictures[0]!.shownAt + 100 });
    const { stalls, frames } = verdicts({ change: one });
    assert.deepEqual({ stalls, frames }, { stalls: 'inconclusive', frames: 'inconclusive' });
  });

  it('proves nothing of other origins with a page of the same', () => {
    const same = withPage({ origin: 'http://127.1.0.1:8080' });
    assert.deepEqual(verdicts({ change: same }), others({ cors: 'inconclusive' }));
  });

  it('fails frames that are missing, shown again, or damaged', () => {
    assert.equal(verdicts({ lost: LOST }).frames, 'fail');
    assert.equal(verdicts({ skipped: LOST }).frames, 'pass');
    assert.equal(verdicts({ frames: [...FRAMES.slice(0, 100), 100, ...FRAMES.slice(100)] }).frames, 'fail');
    const unread = recordOf().page.pictures.map((one, at) => (at === 77 ? { ...one, number: null } : one));
    assert.equal(verdicts({ change: withPage({ pictures: unread }) }).frames, 'fail');
  });

  it('bounds the latency by that of the driver and the buffer of the player', () => {
    // The driver has 200 ms; mpegts.js 1200 ms, 150 ms to show it.
    assert.equal(verdicts({ glassMs: 1540 }).latency, 'pass');
    assert.equal(verdicts({ glassMs: 1560 }).latency, 'fail');
    const whep = (record: BrowserRecord): BrowserRecord => ({ ...record, protocol: 'webrtc' });
    assert.equal(verdicts({ glassMs: 690, change: whep }).latency, 'pass');
    assert.equal(verdicts({ glassMs: 710, change: whep }).latency, 'fail');
    // Five target durations.
    const hls = (record: BrowserRecord): BrowserRecord => ({ ...record, protocol: 'hls', targetMs: 1000 });
    assert.equal(verdicts({ glassMs: 5140, change: hls }).latency, 'pass');
    assert.equal(verdicts({ glassMs: 5170, change: hls }).latency, 'fail');
  });

  it('believes no picture from before it was sent, nor from long before the driver had it', () => {
    assert.equal(verdicts({ glassMs: 30 }).latency, 'pass');
    const early = (record: BrowserRecord): BrowserRecord => ({
      ...record,
      driver: {
        ...record.driver,
        arrivals: record.driver.arrivals.map((one) => ({ ...one, at: one.at + 1200 })),
      },
    });
    assert.equal(verdicts({ change: early }).latency, 'fail');
    const alone = (record: BrowserRecord): BrowserRecord => ({
      ...record,
      driver: { ...record.driver, arrivals: [] },
    });
    assert.deepEqual(verdicts({ change: alone }), others({ latency: 'inconclusive' }));
  });

  it('blames no cluster for a page, a process or a clock of ours, except for what it may not read', () => {
    for (const change of [
      withPage({ hidden: true }),
      withPage({ heldUp: [{ from: 0, to: 400 }] }),
      (record: BrowserRecord): BrowserRecord => ({ ...record, loopLagMs: 400 }),
      (record: BrowserRecord): BrowserRecord => ({ ...record, clockAhead: { from: 30, to: 31 } }),
    ]) {
      assert.deepEqual(verdicts({ lost: LOST, change }), others({ frames: 'inconclusive' }));
      const refused = (record: BrowserRecord) => ({ ...change(record), console: [REFUSAL] });
      assert.equal(verdicts({ frames: [], change: refused }).cors, 'fail');
    }
  });

  it('takes a defect for proven only when it was found', () => {
    const place = { topology: 'edge-cluster', engine: 'builtin', protocol: 'flv' } as const;
    const proof = (script: Script) =>
      proofOf(findingsOf(recordOf(script), place, 10), 'frames', 'media-drops-frames');
    assert.equal(proof({ lost: LOST }).verdict, 'pass');
    assert.equal(proof({}).verdict, 'fail');
    assert.equal(proof({ frames: [] }).verdict, 'inconclusive');
    assert.deepEqual([proof({}).check, proof({}).mutant], ['browser/flv-frames', 'media-drops-frames']);
  });
});
