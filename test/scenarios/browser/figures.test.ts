import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { figuresOf } from '../../../scenarios/browser/figures.ts';
import type { BrowserRecord } from '../../../scenarios/browser/record.ts';
import { FRAME_MS, FRAMES, LOOP, recordOf, sentAt, withPage } from './records.ts';

/** Within the three digits of a histogram. */
function near(actual: number | null, expected: number): void {
  assert.ok(
    actual !== null && Math.abs(actual - expected) <= expected / 500 + 0.1,
    `${actual} is not ${expected}`,
  );
}

describe('figures of a browser', () => {
  it('are those of what was shown, and of the driver beside', () => {
    const figures = figuresOf(recordOf());
    near(figures.glass.p50, 1000);
    near(figures.driver.p50, 200);
    assert.equal(figures.glass.count, FRAMES.length);
    assert.equal(figures.firstPictureMs, 1000);
    assert.equal(figures.leastGlassMs, 1000);
    assert.equal(figures.aheadOfDriverMs, -800);
    assert.deepEqual(
      [
        figures.shown,
        figures.missing,
        figures.dropped,
        figures.repeated,
        figures.unreadable,
        figures.stallRatio,
      ],
      [200, 0, 0, 0, 0, 0],
    );
  });

  it('know the round of a number: the latest that was published when it was seen', () => {
    const frames = FRAMES.map((frame) => frame + LOOP - 100);
    const { glass, missing } = figuresOf(recordOf({ frames }));
    near(glass.p50, 1000);
    near(glass.max, 1000);
    assert.equal(missing, 0);
  });

  it('leave frames from before the player out of the latency', () => {
    const frames = Array.from({ length: 100 }, (_, index) => 25 + index);
    assert.equal(figuresOf(recordOf({ frames })).glass.count, 75);
  });

  it('tell frames that never came from those that the browser did not show', () => {
    const lost = figuresOf(recordOf({ lost: [120, 160, 161] }));
    assert.deepEqual([lost.missing, lost.dropped], [3, 0]);
    const skipped = figuresOf(recordOf({ skipped: [120, 160, 161] }));
    assert.deepEqual([skipped.missing, skipped.dropped], [0, 3]);
  });

  it('say nothing of one frame over WHEP, whose count is not that exact', () => {
    const missingOf = (lost: readonly number[]): number =>
      figuresOf(recordOf({ lost, change: (record) => ({ ...record, protocol: 'webrtc' }) })).missing;
    assert.deepEqual([missingOf([120]), missingOf([120, 140])], [0, 2]);
  });

  it('take a picture that nobody looked at for the frame that was due', () => {
    const unlooked = (record: BrowserRecord): BrowserRecord => ({
      ...record,
      page: { ...record.page, pictures: record.page.pictures.filter((_, at) => at % 7 !== 3) },
    });
    const figures = figuresOf(recordOf({ change: unlooked }));
    assert.deepEqual([figures.missing, figures.dropped], [0, 0]);
  });

  it('leave out what a page saw that looked too late, and the first picture when it is painted twice', () => {
    const { pictures } = recordOf().page;
    // Called for 150 and 151, it sees the next one each time; in time again, it sees 152 as 152.
    const late = pictures.map((picture) =>
      picture.number === 150 || picture.number === 151 ? { ...picture, number: picture.number + 1 } : picture,
    );
    const figures = figuresOf(recordOf({ change: withPage({ pictures: late }) }));
    assert.deepEqual([figures.missing, figures.repeated, figures.leastGlassMs], [0, 0, 1000]);
    const [first, ...rest] = pictures;
    const twice = [
      first!,
      { ...first!, presented: 2 },
      ...rest.map((one) => ({ ...one, presented: one.presented + 1 })),
    ];
    assert.equal(figuresOf(recordOf({ change: withPage({ pictures: twice }) })).repeated, 0);
  });

  it('count pictures that come again, and those that cannot be read', () => {
    const doubled = FRAMES.flatMap((frame) => (frame % 40 === 0 ? [frame, frame] : [frame]));
    assert.equal(figuresOf(recordOf({ frames: doubled })).repeated, 5);
    const unread = recordOf().page.pictures.map((one, at) =>
      at % 50 === 9 ? { ...one, number: null } : one,
    );
    const figures = figuresOf(recordOf({ change: withPage({ pictures: unread }) }));
    assert.deepEqual([figures.unreadable, figures.missing], [4, 0]);
  });

  it('see a picture that stands still, at the end, too, but not where the page itself did', () => {
    const until = FRAMES.filter((frame) => frame < 150);
    const still = recordOf({
      frames: until,
      change: (record) => withPage({ endedAt: record.page.endedAt + 2000 })(record),
    });
    const { stalls, stallRatio } = figuresOf(still);
    assert.equal(stalls.length, 1);
    near(stallRatio, (2000 + FRAME_MS) / (2000 + until.length * FRAME_MS));
    const from = sentAt(149) + 1000;
    const heldUp = { ...still, page: { ...still.page, heldUp: [{ from, to: from + 1900 }] } };
    assert.equal(figuresOf(heldUp).stalls.length, 0);
  });

  it('are unknown where nothing was shown', () => {
    const figures = figuresOf(recordOf({ frames: [] }));
    assert.deepEqual(
      [
        figures.firstPictureMs,
        figures.shown,
        figures.glass.p50,
        figures.leastGlassMs,
        figures.aheadOfDriverMs,
      ],
      [null, 0, null, null, null],
    );
  });
});
