import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlaylist } from '../../../protocols/hls/parse.ts';
import type { MediaPlaylist } from '../../../protocols/hls/playlist.ts';
import { hasChanged, nextSegment, reloadDelayMs, startSequence } from '../../../protocols/hls/reload.ts';
import { targetDurationOf, writeMasterPlaylist, writeMediaPlaylist } from '../../../protocols/hls/write.ts';

function live(mediaSequence: number, durations: readonly number[], extra = ''): MediaPlaylist {
  const segments = durations.map((duration, i) => ({ uri: `${mediaSequence + i}.ts`, duration }));
  return parsePlaylist(
    writeMediaPlaylist({ targetDuration: 2, mediaSequence, segments }) + extra,
  ) as MediaPlaylist;
}

test('reload after a target duration, after half of it when nothing changed, never after the end', () => {
  const playlist = live(0, [2]);
  assert.equal(reloadDelayMs(playlist, true), 2000);
  assert.equal(reloadDelayMs(playlist, false), 1000);
  assert.equal(reloadDelayMs({ ...playlist, targetDuration: 0 }, false), 100);
  assert.equal(reloadDelayMs(live(0, [2], '#EXT-X-ENDLIST\n'), true), Number.POSITIVE_INFINITY);
});

test('what a change is', () => {
  const playlist = live(3, [2, 2]);
  assert.equal(hasChanged(playlist, live(3, [2, 2])), false);
  assert.equal(hasChanged(playlist, live(3, [2, 2, 2])), true);
  assert.equal(hasChanged(playlist, live(4, [2, 2])), true);
  assert.equal(hasChanged(playlist, live(3, [2, 2], '#EXT-X-ENDLIST\n')), true);
});

test('start three target durations before the end, or with the last segment', () => {
  const playlist = live(10, [2, 2, 2, 2, 2]);
  assert.equal(startSequence(playlist, '3-segments'), 12);
  assert.equal(startSequence(playlist, 'live-edge'), 14);
  assert.equal(startSequence(live(10, [2, 2, 2, 1, 2]), '3-segments'), 11, 'of segments shorter, more');
  assert.equal(startSequence(live(10, [2, 2]), '3-segments'), 10);
  assert.equal(startSequence(live(10, []), '3-segments'), 10);
  assert.equal(startSequence(live(10, [2, 2, 2, 2], '#EXT-X-ENDLIST\n'), 'live-edge'), 10);
  assert.equal(startSequence(live(10, [2, 2, 2, 2], '#EXT-X-PLAYLIST-TYPE:EVENT\n'), 'live-edge'), 10);
  const gap = { ...playlist, segments: playlist.segments.map((one, i) => ({ ...one, gap: i === 2 })) };
  assert.equal(startSequence(gap, '3-segments'), 13);
});

test('the next segment, and how many were lost when the playlist went on without us', () => {
  const playlist = live(10, [2, 2, 2]);
  assert.deepEqual(nextSegment(playlist, 10), { segment: playlist.segments[1], skipped: 0 });
  assert.deepEqual(nextSegment(playlist, 9), { segment: playlist.segments[0], skipped: 0 });
  assert.deepEqual(nextSegment(playlist, 12), { segment: undefined, skipped: 0 });
  assert.deepEqual(nextSegment(playlist, 50), { segment: undefined, skipped: 0 });
  assert.deepEqual(nextSegment(playlist, 5), { segment: playlist.segments[0], skipped: 4 });
  assert.deepEqual(nextSegment(live(10, []), 5), { segment: undefined, skipped: 0 });
});

test('what cannot be written is refused', () => {
  const write =
    (uri: string, duration = 1) =>
    () =>
      writeMediaPlaylist({ targetDuration: 2, mediaSequence: 0, segments: [{ uri, duration }] });
  for (const uri of ['', '#a', 'a\nb', ' a', 'a '])
    assert.throws(write(uri), RangeError, JSON.stringify(uri));
  for (const duration of [-1, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(write('a', duration), RangeError);
  assert.throws(
    () => writeMediaPlaylist({ targetDuration: 1.5, mediaSequence: 0, segments: [] }),
    RangeError,
  );
  assert.throws(
    () => writeMasterPlaylist({ variants: [{ uri: 'a', bandwidth: 1, codecs: 'a"b' }] }),
    RangeError,
  );
});

test('the target duration is the ceiling of the longest segment, and at least the fragment', () => {
  assert.equal(targetDurationOf([{ duration: 2.001 }, { duration: 1 }], 2), 3);
  assert.equal(targetDurationOf([], 10), 10);
});
