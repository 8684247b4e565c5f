import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { describeItem } from '../../drivers/measure/recorder.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import { MediaType } from '../../protocols/media.ts';
import { paddedSource } from '../../scenarios/filler.ts';

const FILLER = 50_000;
const source = MediaSource.load(resolve(import.meta.dirname, '../../fixtures/media/av-480k.flv'));
const padded = paddedSource(source, FILLER, 2000);

test('every video frame is longer by the filler, and audio is as it was', () => {
  assert.equal(padded.frames, 50);
  for (const [i, item] of padded.items.entries()) {
    const { type, timestamp, body } = source.items[i]!;
    assert.deepEqual([item.type, item.timestamp], [type, timestamp]);
    assert.equal(item.body.length, body.length + (type === MediaType.video ? FILLER + 4 : 0));
  }
});

test('stamps hold', () => {
  const frame = padded.items.find(({ template }) => template !== undefined)!;
  const item = describeItem(MediaType.video, 0, frame.template!.write(7, 9, 1000), 0);
  assert.deepEqual(item.stamp, { stream: 7, frame: 9, sentAt: 1000, intact: true });
});
