import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Arrival, SequenceTracker } from '../../../protocols/rtp/sequence.ts';

describe('sequence numbers', () => {
  it('losses, duplicates and reordering are counted as they are, over any rollover', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        // For each packet: lost, doubled, or delayed by so many places.
        fc.array(
          fc.record({ lost: fc.boolean(), doubled: fc.boolean(), delay: fc.integer({ min: 0, max: 5 }) }),
          { minLength: 2, maxLength: 3000 },
        ),
        (first, fates) => {
          fates[0] = { lost: false, doubled: false, delay: 0 };
          fates[fates.length - 1] = { lost: false, doubled: false, delay: 0 };
          const arrivals = fates
            .flatMap(({ lost, doubled, delay }, index) =>
              lost ? [] : [{ index, at: index + delay }, ...(doubled ? [{ index, at: index + delay }] : [])],
            )
            .sort((a, b) => a.at - b.at);
          const tracker = new SequenceTracker(90_000);
          let highest = -1;
          let late = 0;
          const seen = new Set<number>();
          for (const { index } of arrivals) {
            const arrival = tracker.push((first + index) & 0xffff, index * 3000, index * 33);
            assert.equal(tracker.extended, first + index);
            const due = highest + 1;
            if (seen.has(index)) assert.equal(arrival, Arrival.duplicate);
            else if (index === due) assert.equal(arrival, Arrival.next);
            else if (index > due) assert.equal(arrival, Arrival.ahead);
            else {
              assert.equal(arrival, Arrival.late);
              late++;
            }
            seen.add(index);
            highest = Math.max(highest, index);
          }
          assert.equal(tracker.highest, first + highest);
          assert.equal(tracker.received, seen.size);
          assert.equal(tracker.lost, highest + 1 - seen.size);
          assert.equal(tracker.late, late);
          assert.equal(tracker.duplicates, arrivals.length - seen.size);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('a jump is believed at the second packet of it (A.1)', () => {
    const tracker = new SequenceTracker(90_000);
    tracker.push(10, 0, 0);
    assert.equal(tracker.push(30_000, 0, 0), Arrival.jump);
    assert.equal(tracker.push(11, 0, 0), Arrival.next);
    assert.equal(tracker.push(30_000, 0, 0), Arrival.jump);
    assert.equal(tracker.push(30_001, 0, 0), Arrival.restart);
    assert.deepEqual([tracker.received, tracker.lost, tracker.restarts], [1, 0, 1]);
    assert.equal(tracker.push(30_002, 0, 0), Arrival.next);
  });

  it('the fraction lost is that of the interval', () => {
    const tracker = new SequenceTracker(90_000);
    for (const sequence of [0, 1, 2, 3]) tracker.push(sequence, 0, 0);
    assert.equal(tracker.takeFractionLost(), 0);
    for (const sequence of [5, 7]) tracker.push(sequence, 0, 0);
    assert.equal(tracker.takeFractionLost(), 128);
    assert.equal(tracker.takeFractionLost(), 0);
  });

  it('jitter is 0 for an even flow and moves by a sixteenth of a deviation (A.8)', () => {
    const tracker = new SequenceTracker(90_000);
    for (let frame = 0; frame < 50; frame++) {
      tracker.push(2 * frame, frame * 3600, 1000 + frame * 40);
      tracker.push(2 * frame + 1, frame * 3600, 1000 + frame * 40 + 0.3);
    }
    assert.ok(tracker.jitter < 1e-6, String(tracker.jitter));
    tracker.push(100, 50 * 3600, 1000 + 50 * 40 + 16);
    assert.equal(Math.round(tracker.jitter), 90);
  });
});
